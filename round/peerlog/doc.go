// Package peerlog keeps what each site has said and heard beside the agreement itself: proofs that a
// site has lied ([Proofs]), own statements that are sent again until they no longer matter ([Outbox]),
// and where the other sites stand, so that a site that lags gets what it lacks ([Neighbours]).
//
// Nothing here decides anything about the ledger. The parts have no clock and send nothing: times are
// arguments, and the owner sends what they return.
package peerlog
