package consensus

import (
	"github.com/weft-mesh/weft/ledger"
)

// Lock is the entry that a site has precommitted, with the prevotes that allowed it.
type Lock struct {
	Height uint64          `cbor:"height"`
	View   uint64          `cbor:"view"`
	Entry  []byte          `cbor:"entry"`
	Polka  []ledger.Signed `cbor:"polka"`
}

// Restore takes an own statement of the log. It must be called in the order of the log.
func (a *Agreement) Restore(s *ledger.Signed) {
	switch b, _ := s.Open(); b := b.(type) {
	case *Proposal:
		a.restoreVote(s, b.Height, b.View)
	case *ledger.Vote:
		a.restoreVote(s, b.Height, b.View)
	}
}

// restoreVote rebuilds the agreement of the current height from an own vote or proposal of the log.
func (a *Agreement) restoreVote(s *ledger.Signed, number, view uint64) {
	h := a.height
	if number != h.number {
		return // of a height that has been decided since
	}
	h.resume(s, view)
	switch b, _ := s.Open(); b := b.(type) {
	case *Proposal:
		a.publishProposal(s, b)
		if e, err := a.learn(b.Entry); err == nil {
			h.keepProposal(&proposal{s, b, e, len(b.Polka)})
			h.candidates[e.CID()].offer()
		}
	case *ledger.Vote:
		a.publishVote(s, number, view)
		h.votes(s.Kind, view).add(s, b.Entry)
		h.stir()
		if s.Kind == ledger.KindPrevote {
			h.reach(max(h.step, stepPrevote))
		} else {
			h.reach(stepPrecommit)
		}
	}
}

// RestoreLock rebuilds the lock: the entry that this site has precommitted, or was about to.
func (a *Agreement) RestoreLock(l *Lock) error {
	h := a.height
	if l.Height != h.number {
		return nil
	}
	e, err := a.learn(l.Entry)
	if err != nil {
		return err
	}
	h.resumeLock(e.CID(), l.View)
	for i := range l.Polka {
		if v, err := ledger.BodyOf[ledger.Vote](&l.Polka[i], ledger.KindPrevote); err == nil {
			h.votes(ledger.KindPrevote, l.View).add(&l.Polka[i], v.Entry)
		}
	}
	return nil
}

// publishVote sends a vote as long as its view is the current one or the one before: others may need it to leave that view.
func (a *Agreement) publishVote(s *ledger.Signed, height, view uint64) {
	a.out.Publish(s, 0, func(sends uint64) bool {
		return height == a.height.number && (view+1 >= a.height.view || sends == 0)
	})
}

func (a *Agreement) publishProposal(s *ledger.Signed, b *Proposal) {
	a.out.Publish(s, 0, func(uint64) bool { return b.Height == a.height.number && b.View == a.height.view })
}

func (a *Agreement) publishReady(s *ledger.Signed, height uint64) {
	a.out.Publish(s, 0, func(uint64) bool { return height == a.height.number })
}
