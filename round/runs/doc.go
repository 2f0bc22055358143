// Package runs is a site's own part in the runs of its mesh: whether it takes part, what it trains,
// which updates it knows and holds, when it would seal a round, and what it computes from a seal.
//
// Nothing here is the ledger's: another site may see it otherwise. A [Runs] follows decided entries
// ([Runs.Decided]), takes other sites' statements ([Runs.Receive]) and the answers to its jobs, and
// says which entries this site would have decided ([Runs.Wanted]) and how it stands to those of others
// ([Runs.Stance]).
//
// A run has two regions, each a table of states and events: the site's training ([Training]) and the
// round that is open ([Phase]). They are apart because a training may outlive its round.
package runs
