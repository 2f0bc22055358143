package sim

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Splitter is an [Equivocator] with a plan: it proposes two entries, prevotes the first before one half,
// and precommits it before a single site of that half, its victim, which alone may decide. Then it helps
// whatever is proposed in the views that follow, before all but the victim. It attacks the lock: only
// because the others have locked the first entry can no other be decided.
type Splitter struct {
	Equivocator
	victim peer.ID
	after  uint64 // view of the split
	helped map[uint64]bool
}

// Name returns the name of its kind.
func (a *Splitter) Name() string { return "splitter" }

// Hear votes for what comes after a split.
func (a *Splitter) Hear(l *Liar, ev round.Event) round.Event {
	if _, body := l.heard(ev); body != nil && a.victim != "" && a.height == l.next() {
		if p, ok := body.(*consensus.Proposal); ok && p.Height == a.height && p.View > a.after && !a.helped[p.View] {
			a.helped[p.View] = true
			a.help(l, p)
		}
	}
	return a.Equivocator.Hear(l, ev)
}

// help votes for a proposal before all but the victim.
func (a *Splitter) help(l *Liar, p *consensus.Proposal) {
	e := block.Sum(block.DagCBOR, p.Entry)
	var but []peer.ID
	for _, id := range l.Others() {
		if id != a.victim {
			but = append(but, id)
		}
	}
	l.Did("helped what came after a split")
	for _, kind := range []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit} {
		a.show(l, l.Sign(kind, &ledger.Vote{Height: p.Height, View: p.View, Entry: e}), but)
	}
}

// Send splits the mesh, and keeps the machine out of it.
func (a *Splitter) Send(l *Liar, s round.Send) {
	switch _, body := l.own(s); b := body.(type) {
	case *consensus.Proposal:
		known := a.height == b.Height && a.views[b.View] != nil
		split := a.split(l, b)
		if split == nil {
			break
		}
		if !known {
			split.face = face{half: a.rest(l)}
			a.plot(l, b, split)
		}
		l.tell(s, split.face, split.proposal)
		return
	case *ledger.Vote:
		if a.victim != "" && b.Height == a.height && b.View >= a.after {
			return // said by hand
		}
	}
	l.Send(s)
}

// rest returns who is shown the second entry: as many as a quorum for the first can do without.
func (a *Splitter) rest(l *Liar) map[peer.ID]bool {
	r := l.Ledger().Roster()
	rest := map[peer.ID]bool{}
	others := l.Others()
	for _, i := range l.rng.Perm(len(others))[:r.Len()-r.Quorum()] {
		rest[others[i]] = true
	}
	return rest
}

// plot votes for the first entry before one half, and lets only its victim decide it.
func (a *Splitter) plot(l *Liar, p *consensus.Proposal, split *schism) {
	a.victim, a.after, a.helped = "", p.View, map[uint64]bool{}
	var half []peer.ID
	for _, id := range l.Others() {
		if !split.half[id] {
			half = append(half, id)
		}
	}
	if len(half) == 0 {
		return
	}
	a.victim = half[l.rng.IntN(len(half))]
	l.Did("let one site alone decide")
	vote := func(kind ledger.Kind) *ledger.Signed {
		return l.Sign(kind, &ledger.Vote{Height: p.Height, View: p.View, Entry: split.first})
	}
	a.show(l, vote(ledger.KindPrevote), half)
	a.show(l, vote(ledger.KindPrecommit), []peer.ID{a.victim})
}

// show sends a vote to some, as often as loss makes it necessary.
func (a *Splitter) show(l *Liar, s *ledger.Signed, to []peer.ID) {
	for i, d := range repeats {
		l.After(d, func() {
			for _, id := range to {
				l.Send(round.Send{To: id, Message: &round.Message{Attempt: uint64(i + 1), Statement: s}})
			}
		})
	}
}
