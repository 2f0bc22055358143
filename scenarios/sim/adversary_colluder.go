package sim

import (
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Colluder is an [Equivocator] with friends: when one of them proposes two entries that all may be ready
// for, all of them prevote and precommit each before the half that was shown it. It attacks agreement
// with all that liars can have: more than f of them get two entries certified at one height. Alone it is
// an equivocator that knows no nil.
type Colluder struct{ Equivocator }

// Name returns the name of its kind.
func (a *Colluder) Name() string { return "colluder" }

// Send keeps the machine out of what was agreed.
func (a *Colluder) Send(l *Liar, s round.Send) {
	a.patient = len(l.Friends()) > 0
	switch st, body := l.own(s); b := body.(type) {
	case *ledger.Update:
		a.note(st, b)
	case *consensus.Proposal:
		known := a.height == b.Height && a.views[b.View] != nil
		split := a.split(l, b)
		if split == nil {
			break
		}
		if !known {
			split.aloud = false
			for _, f := range append(l.Friends(), l) {
				f.Adversary.(*Colluder).back(f, b.Height, b.View, split)
			}
		}
		l.tell(s, split.face, split.proposal)
		return
	case *ledger.Vote:
		if b.Height == a.height && a.views[b.View] != nil {
			return // said by hand
		}
	}
	l.Send(s)
}

// back votes for both entries of a friend, or of its own.
func (a *Colluder) back(l *Liar, height, view uint64, split *schism) {
	if a.height != height {
		a.height, a.views = height, map[uint64]*schism{}
	}
	a.views[view] = split
	for _, kind := range []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit} {
		vote := func(entry block.CID) *ledger.Signed {
			return l.Sign(kind, &ledger.Vote{Height: height, View: view, Entry: entry})
		}
		l.Did("backed two entries with " + string(kind) + "s")
		for i, d := range repeats {
			l.After(d, func() {
				l.tell(round.Send{Message: &round.Message{Attempt: uint64(i + 1), Statement: vote(split.first)}}, split.face, vote(split.second))
			})
		}
	}
}
