// Package node is the daemon that a site runs: it drives package round's machine with a log,
// a store, a trainer and a network, and answers the local API.
//
// # Words
//
//   - home: the site's directory, and all that is in it ([Home])
//   - log: the records that must survive a crash; see wal
//   - job: work that the machine asks for and that takes time; it ends as an event
//   - trace: what the protocol did, one [Event] a line
//   - view: what other goroutines may know of the machine between two steps
//   - archive: the home read without its node ([Archive]); report: what its ledger proves ([Report])
//   - trial: a trainer's tasks without a node ([Trial])
//
// # What runs
//
// One goroutine owns the machine ([Node.Run], loop.go). It takes events from a bounded queue, steps,
// and does the work that comes out in the order that package round asks for: log synced, then
// messages queued, then jobs started. Nothing in it waits for a network, a trainer or the store.
//
//	gossip ----\                        /--> log (wal.go)
//	jobs -------+--> queue --> machine +---> sender (send.go) --> gossip
//	local API -/      (loop.go)         \--> jobs (jobs*.go): train, fetch, reduce, forget
//	                                     \-> trace (events.go), view (view.go)
//
// A message is verified on gossip's goroutines before it is queued; signatures found good are
// remembered, so that the machine does not compute them again.
//
// Which block may go to whom is the index's to say (index.go): it knows of each artifact in the store
// for which run it is held and as what.
//
// # A crash
//
// The log is the site's memory: entries, its own votes and updates. Blocks of the ledger are put
// into the store a little later, and at start whatever is missing. Artifacts are durable before the
// machine hears of them. What a crash leaves behind, tasks' folders and artifacts that nothing needs,
// is removed at start. A site whose log is gone begins another that says so, and does not vote
// until it is safe.
package node
