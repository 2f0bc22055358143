// Package consensus is how a mesh agrees on the next entry of its ledger: single-shot Tendermint
// (Buchman, Kwon, Milosevic, arXiv 1807.04938, algorithm 1), one instance a height.
//
// # Words
//
// Entries are opaque here. An [App] decodes them, says which it wants decided and what it thinks of
// one. A candidate is an entry that may be decided at this height. A view is one attempt at a height
// ("round" in the paper). Each view has a proposer, and two steps of votes: prevote and precommit. A
// quorum's prevotes for one entry in one view are a polka; a quorum's precommits are a certificate.
//
// # Readiness
//
// Weft adds one thing to the paper: readiness. A site tells the others when it holds all that a
// candidate needs and agrees with what it claims. A height opens when a quorum is ready for one
// candidate. A site that lacks an entry's inputs withholds its prevote until the timeout and never
// precommits, so a certificate means that a quorum can serve the inputs.
//
// # Contract
//
// An [Agreement] has no clock, socket or disk. Its owner hands it statements whose signatures it has
// checked and calls [Agreement.Step] until nothing more happens. When [Agreement.Certified] returns
// an entry, the owner appends it to the ledger and calls [Agreement.Advance]. What is to be saved,
// sent and noted goes to [Out], in the order in which it must happen: a vote is saved before it is
// published.
package consensus
