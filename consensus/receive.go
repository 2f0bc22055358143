package consensus

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Receive takes a statement of the height that is being decided, whose signature was checked. It
// returns an error if no correct site can have signed it.
func (a *Agreement) Receive(s *ledger.Signed) error {
	body, err := s.Open()
	if err != nil {
		return err
	}
	switch b := body.(type) {
	case *Ready:
		return a.receiveReady(s, b)
	case *Proposal:
		return a.receiveProposal(s, b)
	case *ledger.Vote:
		return a.receiveVote(s, b)
	}
	return nil
}

// learn takes an entry's bytes.
func (a *Agreement) learn(data []byte) (Entry, error) {
	if c := a.height.candidates[block.Sum(block.DagCBOR, data)]; c != nil && c.entry != nil {
		return c.entry, nil // most often it was formed here too
	}
	e, err := a.app.Decode(data)
	if err != nil {
		return nil, err
	}
	a.know(a.height.candidate(e.CID()), e)
	return e, nil
}

// know takes the entry of a candidate, which has been checked.
func (a *Agreement) know(c *candidate, e Entry) {
	c.know(e)
	a.version++
	a.height.stir()
	a.app.Learned(e)
}

func (a *Agreement) receiveReady(s *ledger.Signed, b *Ready) error {
	c := a.height.mentioned(b.Entry, s.From, MaxTold+2*a.roster.Len())
	if c == nil {
		return nil
	}
	if len(b.Data) > 0 && c.entry == nil && a.height.hears(s.From) {
		e, err := a.learn(b.Data)
		if err != nil {
			return err
		}
		if e.CID() != b.Entry {
			return fmt.Errorf("ready: %w: the entry sent is not the entry named", ledger.ErrMalformed)
		}
	}
	c.join(s.From)
	a.openIfReady(c)
	if c.entry != nil {
		a.app.Said(s.From, c.entry)
	}
	return nil
}

// openIfReady opens the height once a quorum is ready for a candidate. It may have been open before:
// one vote of a liar is enough, and then views pass in which nobody has anything to propose. The
// timeouts count from here, so that it has not made them long.
func (a *Agreement) openIfReady(c *candidate) {
	if !c.supported(a.roster.Quorum()) {
		return
	}
	a.openHeight()
	a.height.ripen(a.out.Now())
}

// tries returns how many views have failed although there was something to decide.
func (h *height) tries() uint64 {
	if h.ripe < 0 {
		return 0
	}
	return h.view - uint64(h.ripe)
}

// timeout returns how long the steps of the current view wait.
func (a *Agreement) timeout() time.Duration {
	if a.height.ripe < 0 {
		return a.timing.viewTimeout(a.pace, a.height.view)
	}
	return a.timing.viewTimeout(a.pace, a.height.tries())
}

func (a *Agreement) openHeight() {
	if a.height.open(a.out.Now()) {
		a.out.Note(Note{Kind: HeightOpened, Height: a.height.number})
	}
}

func (a *Agreement) receiveProposal(s *ledger.Signed, b *Proposal) error {
	h := a.height
	if want := a.roster.Proposer(h.parent, b.View); s.From != want {
		return fmt.Errorf("proposal: %w: view %d is %s's to propose, not %s's", ledger.ErrMalformed, b.View, a.roster.Name(want), a.roster.Name(s.From))
	}
	h.spoke(s.From, b.View)
	a.openHeight()
	if !h.keeps(b.View) {
		return nil
	}
	if old := h.proposals[b.View]; old != nil {
		return a.out.Contradiction(old.statement, s)
	}
	if c := h.candidates[block.Sum(block.DagCBOR, b.Entry)]; c == nil || c.entry == nil {
		if !h.takes(s.From) {
			return nil
		}
	}
	e, err := a.learn(b.Entry)
	if err != nil {
		return err
	}
	proof, err := a.receivePolka(b, e)
	if err != nil {
		return err
	}
	h.keepProposal(&proposal{s, b, e, proof})
	return nil
}

func (h *height) keepProposal(p *proposal) {
	h.proposals[p.View] = p
	h.candidates[p.entry.CID()].try()
}

// receivePolka takes the prevotes that a proposal brings along and counts those for its entry. It
// counts them by themselves: a liar's other vote, had here before, takes nothing from their proof.
func (a *Agreement) receivePolka(b *Proposal, e Entry) (proof int, err error) {
	voted := map[peer.ID]bool{}
	for i := range b.Polka {
		s := &b.Polka[i]
		v, err := ledger.BodyOf[ledger.Vote](s, ledger.KindPrevote)
		if err != nil {
			return 0, err
		}
		if err := b.stands(v, e.CID()); err != nil {
			return 0, err
		}
		if voted[s.From] {
			return 0, fmt.Errorf("proposal: %w: two prevotes of %s", ledger.ErrMalformed, a.roster.Name(s.From))
		}
		if err := a.out.Verify(s); err != nil {
			return 0, err
		}
		voted[s.From] = true
		if s.From == a.self {
			_ = a.ReceiveOwn(s) // its signature was checked
			continue
		}
		_ = a.addVote(s, v, true) // a double is named there
	}
	if b.ValidView >= 0 && len(voted) < a.roster.Quorum() {
		return 0, fmt.Errorf("proposal: %w: %d prevotes for valid view %d, want %d", ledger.ErrMalformed, len(voted), b.ValidView, a.roster.Quorum())
	}
	return len(voted), nil
}

func (a *Agreement) receiveVote(s *ledger.Signed, b *ledger.Vote) error {
	a.height.spoke(s.From, b.View)
	a.openHeight()
	return a.addVote(s, b, a.height.keeps(b.View))
}

func (a *Agreement) addVote(s *ledger.Signed, v *ledger.Vote, keep bool) error {
	if !keep {
		return nil
	}
	t := a.height.votes(s.Kind, v.View)
	if old := t.votes[s.From]; old != nil {
		return a.out.Contradiction(old, s)
	}
	t.add(s, v.Entry)
	a.height.stir()
	return nil
}

func (h *height) spoke(by peer.ID, view uint64) {
	if old, known := h.views[by]; !known || view > old {
		h.views[by] = view
		h.newer = h.newer || view > h.view
	}
}

// Handles reports whether statements of a kind are about the agreement.
func Handles(kind ledger.Kind) bool {
	switch kind {
	case KindReady, KindProposal, ledger.KindPrevote, ledger.KindPrecommit:
		return true
	}
	return false
}
