// Package round is one site's protocol as a pure state machine: the agreement on the next entry of
// the ledger, and the site's part in the rounds of its runs. The facts it decides on, and what makes
// an entry valid, are package ledger's.
//
// # Words
//
// A mesh's sites agree on one [ledger.Entry] after another. The agreement at one height is Tendermint
// (arXiv 1807.04938) in views; see docs/protocol.md.
//
// # Contract
//
// A [Machine] does nothing by itself: no goroutine, socket, disk, clock or chance. Its
// driver hands it what happens, with the time, and does the [Work] that comes out, in this
// order:
//
//	for {
//		m.Step(now, event)        // a message, a finished job, a wish of the operator, the alarm
//		w := m.Ready()
//		append(w.Save) and sync   // durable before sent; if this fails, stop
//		send(w.Send)              // to one site, or to all; loss and disorder are expected
//		start(w.Jobs)             // each ends as an event, in any order, some time
//		wake at w.Alarm           // with Alarm{}, unless another event comes before
//	}
//
// The driver connects with the sites of the roster in force, [ledger.Ledger.Roster], with
// [Machine.Observers], and with whom its operator names; what is to go to all it sends to the
// roster's sites only. A machine whose key is none of theirs is an observer: it follows, and
// says nothing but where it stands and that it wants to join.
//
// After a restart the driver hands the saved records to [Machine.Restore], in order, and
// then steps on; the machine asks again for every job that it still needs, so jobs must be
// idempotent: an artifact that is held is Fetched at once.
//
// Two drivers exist: package node (log, libp2p, goroutines) and package scenarios (event
// queue, virtual time, faults).
//
// # Validity and readiness
//
// [ledger.Ledger.Check] says whether an entry may follow: a pure function of the ledger, equal at
// every site. Whether this site holds what voting for it needs is readiness: a site tells the
// others when it is ready for a candidate, a height opens when a quorum is, and nobody
// precommits unready. A fetch that takes an hour so delays its own round and nothing else.
package round
