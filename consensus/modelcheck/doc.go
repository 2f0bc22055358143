// Package modelcheck is a second opinion on the agreement in package round: a model of it, written from
// arXiv 1807.04938 and docs/protocol.md and from nothing of round, and an exhaustive search of the
// model. docs/model.md says what is covered, why the reductions are sound, and what was found.
//
// # Words
//
// Four sites agree on one entry, A or B. One of them is the liar, which may send anything to anyone
// at any time; the others are correct. A [State] is all that the correct sites have sent, and what
// each must remember. An [Action] is one step of one correct site. [Model.Next] gives all that can
// happen in a state, [Model.Explore] goes through everything that can be reached and holds the
// [Property] list in each state; what it finds wrong is a [Violation] with the shortest way there.
// A [Flaw] breaks a rule, to see that the search notices.
//
// # What has been sent may arrive
//
// No state says what has arrived where. A message that was sent may arrive at any site at any later
// moment, once or often, or never; so a site may act on any of what has been sent, and may not. The
// liar's messages are no part of the state at all: whatever helps has been sent by it, to each
// site another.
//
// A site comes to a later view in the moment in which it first acts there: until then nobody can
// tell, and waiting keeps what the site may do in the earlier view. Its view thus is the newest in
// which it has spoken. In the same way it becomes ready for an entry in the moment in which it
// first has to be.
package modelcheck
