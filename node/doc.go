// Package node is the daemon that a site runs: it drives package round's machine with a log,
// a store, a trainer and a network, and answers the local API.
//
// # Words
//
//   - mailbox: how the other goroutines reach the loop
//   - view: what they may know of the machine between two steps
//   - snapshot: what is told of it when somebody asks where the site stands
//   - gate: with whom this site keeps connections, and which block goes to whom
//   - trace: what the protocol did, one event a line
//   - reporter, operator, vault: what the local API says, does and hands out
//
// Its packages: site (the directory), config, wal (the log), index (what each artifact is for), jobs
// (work that takes time and ends as an event), api with its client and server, and archive (the
// directory read without its node).
//
// # What runs
//
// One goroutine owns the machine (loop.go). It takes events from a bounded queue, steps, and does the
// work that comes out in the order that package round asks for: log synced, then messages queued, then
// jobs started. Nothing in it waits for a network, a trainer or the store.
//
//	gossip ----\                        /--> log (wal)
//	jobs -------+--> queue --> machine +---> sender (send.go) --> gossip
//	local API -/      (loop.go)         \--> jobs: train, fetch, reduce, forget
//	                                     \-> trace (events.go), view (view.go), snapshot (snapshot.go)
//
// A message is verified on gossip's goroutines before it is queued; signatures found good are
// remembered, so that the machine does not compute them again.
//
// # A crash
//
// The log is the site's memory: entries, its own votes and updates. Blocks of the ledger are put
// into the store a little later, and at start whatever is missing. Artifacts are durable before the
// machine hears of them. What a crash leaves behind, tasks' folders and artifacts that nothing needs,
// is removed at start. A site whose log is gone begins another that says so, and does not vote
// until it is safe.
package node
