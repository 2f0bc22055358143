package round

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/trace"
)

// Two entries certified at one height mean that more sites lie than the mesh withstands, or that too many
// have lost their disks. Nothing can be done about it here but to find out, prove it and say so.

// contradicts reports whether a head names another entry at a height that is decided here. A head is
// unsigned: it may be nothing but a lie. The site is shown our certificate; if it has one too it shows
// us that.
func (h *Head) contradicts(l *ledger.Ledger) bool {
	return h.Height > 0 && h.Height <= l.Height() && h.Entry != l.At(h.Height).Entry.CID()
}

// fork takes a certified entry at a height at which another is decided here; the certificate has been
// verified. A site that signed both in one view is named; the sender is shown ours, now and then.
func (m *Machine) fork(from peer.ID, e *ledger.Entry, theirs *ledger.Certificate) {
	if m.neighbours.ShowFork(from, m.out.now, m.cfg.Timing.ResendCap) {
		m.sendCertified(from, e.Height)
	}
	if !m.neighbours.Forked(e.Height) {
		return
	}
	m.out.Trace(trace.Forked{Subject: trace.At(e.Height).Of(from), Entry: e.CID(), Why: "two certified entries: more sites lie than the mesh withstands, or have lost their disks"})
	ours := m.ledger.At(e.Height).Certificate
	for _, a := range ours.Votes {
		for _, b := range theirs.Votes {
			if a.From == b.From && ours.View == theirs.View {
				m.proofs.Add(&peerlog.Evidence{A: ours.Vote(a), B: theirs.Vote(b)})
			}
		}
	}
}
