package consensus

import (
	"bytes"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// decided returns what is kept of a height: the votes of its certificate's view.
func (h *height) decided(cert *ledger.Certificate) *height {
	past := &height{
		number: h.number, view: cert.View, lockedView: -1, validView: -1,
		proposals: map[uint64]*proposal{}, prevotes: map[uint64]*tally{}, precommits: map[uint64]*tally{},
	}
	if p := h.proposals[cert.View]; p != nil {
		past.proposals[cert.View] = p
	}
	past.prevotes[cert.View], past.precommits[cert.View] = h.votes(ledger.KindPrevote, cert.View), h.votes(ledger.KindPrecommit, cert.View)
	return past
}

// ComparePast looks whether a statement of a height decided lately contradicts one that was seen then.
func (a *Agreement) ComparePast(s *ledger.Signed) {
	body, _ := s.Open()
	for _, h := range a.past {
		switch b := body.(type) {
		case *ledger.Vote:
			if b.Height != h.number || b.View != h.view {
				continue
			}
			if old := h.votes(s.Kind, b.View).votes[s.From]; old != nil {
				_ = a.out.Contradiction(old, s) // it is named there
			} else {
				h.votes(s.Kind, b.View).add(s, b.Entry)
			}
		case *Proposal:
			if old := h.proposals[b.View]; b.Height == h.number && old != nil {
				_ = a.out.Contradiction(old.statement, s)
			}
		}
	}
}

// CompareVotes looks whether a certificate of the height being decided contradicts a precommit that was
// received here. A site that showed two sites different votes is exposed when either of them gets the
// other's certificate.
func (a *Agreement) CompareVotes(cert *ledger.Certificate) {
	seen := a.height.precommits[cert.View]
	if seen == nil {
		return
	}
	body := block.Encode(ledger.Vote{Height: cert.Height, View: cert.View, Entry: cert.Entry})
	for _, v := range cert.Votes {
		if old := seen.votes[v.From]; old != nil && !bytes.Equal(old.Body, body) {
			s := cert.Vote(v)
			_ = a.out.Contradiction(old, &s) // it is named there
		}
	}
}
