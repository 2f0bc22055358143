package round

import (
	"bytes"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Two entries certified at one height mean that more sites lie than the mesh withstands, or that too many
// have lost their disks. Nothing can be done about it here but to find out, prove it and say so.

// elsewhere reports whether a head names another entry at a height that is decided here. A head is
// unsigned: it may be nothing but a lie. The site is shown our certificate; if it has one too it shows
// us that.
func (m *Machine) elsewhere(from peer.ID, head *Head) bool {
	if head.Height > m.ledger.Height() || head.Height == 0 || head.Entry == m.ledger.At(head.Height).Entry.CID() {
		return false
	}
	m.answer(from, head.Height)
	return true
}

// fork takes a certified entry at a height at which another is decided here; the certificate has been
// verified. Whoever signed both in one view is named; who sent it is shown ours, now and then.
func (m *Machine) fork(from peer.ID, e *ledger.Entry, theirs *ledger.Certificate) {
	if n := m.neighbour(from); m.now >= n.forkAt {
		n.forkAt = m.now + m.cfg.Timing.ResendCap
		m.sendCertified(from, e.Height)
	}
	if m.forked[e.Height] {
		return
	}
	m.forked[e.Height] = true
	m.trace(Trace{Event: "fork", Height: e.Height, Site: from, Entry: e.CID(), Text: "two certified entries: more sites lie than the mesh withstands, or have lost their disks"})
	ours := m.ledger.At(e.Height).Certificate
	for _, a := range ours.Votes {
		for _, b := range theirs.Votes {
			if a.From == b.From && ours.View == theirs.View {
				m.name(&Evidence{ours.Vote(a), theirs.Vote(b)})
			}
		}
	}
}

// compareVotes looks whether a certificate of the height being decided contradicts a precommit that was
// received here: who shows two sites two votes is found out when one of them gets the other's certificate.
func (m *Machine) compareVotes(cert *ledger.Certificate) {
	seen := m.height.precommits[cert.View]
	if seen == nil {
		return
	}
	body := block.Encode(ledger.Vote{Height: cert.Height, View: cert.View, Entry: cert.Entry})
	for _, v := range cert.Votes {
		if old := seen.votes[v.From]; old != nil && !bytes.Equal(old.Body, body) {
			s := cert.Vote(v)
			_ = m.double(old, &s) // it is named there
		}
	}
}
