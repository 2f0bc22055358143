package sim

import (
	"bytes"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// Equivocator proposes two entries that can both be decided, each to a half of the mesh, and votes with
// each half for what it was shown. For seals it announces two updates a round, so that all are ready
// for either. It attacks agreement, and the claim that a polka convinces whoever did not see it.
type Equivocator struct {
	height uint64
	views  map[uint64]*schism
	offers map[uint64][]*ledger.Signed // its updates, by opening

	patient bool // it shows itself only where all may be ready for both entries
}

// schism is a view in which two entries are proposed.
type schism struct {
	face
	first, second block.CID
	proposal      *ledger.Signed // of the second
}

// Name returns the name of its kind.
func (a *Equivocator) Name() string { return "equivocator" }

// Hear trains a second update whenever the machine has one.
func (a *Equivocator) Hear(l *Liar, ev round.Event) round.Event {
	if t, ok := ev.(runs.Trained); ok && t.Attempt == 1 {
		a.trainAgain(l, t)
	}
	return ev
}

func (a *Equivocator) trainAgain(l *Liar, t runs.Trained) {
	again, ok := l.trainAgain(t.Run, t.Opened, 2, t.Manifest)
	if !ok {
		return
	}
	base, _ := l.Ledger().Run(t.Run).BaseOf(t.Round)
	second := l.Sign(ledger.KindUpdate, &ledger.Update{
		Run: t.Run, Round: t.Round, Opened: t.Opened, Attempt: 2, Base: base,
		Manifest: again.Update.Manifest, Samples: t.Samples, Metrics: map[string]float64{}, Norm: l.norm(t.Run, again.Update.Manifest, base),
	})
	a.note(second, second.Update())
	l.Repeat(second)
}

// note keeps the updates of its own, once each.
func (a *Equivocator) note(s *ledger.Signed, u *ledger.Update) {
	if a.offers == nil {
		a.offers = map[uint64][]*ledger.Signed{}
	}
	same := func(o *ledger.Signed) bool { return bytes.Equal(o.Body, s.Body) }
	if !slices.ContainsFunc(a.offers[u.Opened], same) {
		a.offers[u.Opened] = append(a.offers[u.Opened], s)
	}
}

// rival returns an update to put into the place of one of its own, or nil.
func (a *Equivocator) rival(own *ledger.Signed) *ledger.Signed {
	for _, o := range a.offers[own.Update().Opened] {
		if !bytes.Equal(o.Body, own.Body) {
			return o
		}
	}
	return nil
}

// Send shows each half what is meant for it.
func (a *Equivocator) Send(l *Liar, s round.Send) {
	st, body := l.own(s)
	switch b := body.(type) {
	case *ledger.Update:
		a.note(st, b)
	case *consensus.Proposal:
		if split := a.split(l, b); split != nil {
			l.tell(s, split.face, split.proposal)
			return
		}
	case *ledger.Vote:
		if split := a.views[b.View]; split != nil && b.Height == a.height {
			l.tell(s, split.face, l.Sign(st.Kind, &ledger.Vote{Height: b.Height, View: b.View, Entry: split.second}))
			return
		}
	}
	l.Send(s)
}

// split returns the second proposal for the place of a first, and who is shown which.
func (a *Equivocator) split(l *Liar, p *consensus.Proposal) *schism {
	if a.height != p.Height {
		a.height, a.views = p.Height, map[uint64]*schism{}
	}
	if split := a.views[p.View]; split != nil {
		return split
	}
	e := proposed(p)
	other := a.variant(l, e)
	if other == nil {
		return nil
	}
	q := &consensus.Proposal{Height: p.Height, View: p.View, ValidView: -1, Entry: other.Block().Data}
	a.views[p.View] = &schism{l.face(), e.CID(), other.CID(), l.Sign(consensus.KindProposal, q)}
	l.Did("proposed two " + e.Kind() + "s")
	return a.views[p.View]
}

// variant returns another entry that may be decided in the place of e.
func (a *Equivocator) variant(l *Liar, e *ledger.Entry) *ledger.Entry {
	if e == nil {
		return nil
	}
	switch b := e.Body.(type) {
	case *ledger.Commit:
		if a.patient {
			return nil
		}
		commit := *b
		commit.Model = l.nowhere()
		return l.changed(e, &commit)
	case *ledger.Seal:
		if b.Number > 0 {
			return nil
		}
		if other := a.exchanged(l, e, *b); other != nil && (a.patient || l.rng.IntN(4) > 0) {
			return other
		}
		if a.patient {
			return nil
		}
		in := b.Contributors()
		return l.without(e, in[l.rng.IntN(len(in))])
	}
	return nil
}

// exchanged returns a seal with the other of its site's two updates.
func (a *Equivocator) exchanged(l *Liar, e *ledger.Entry, seal ledger.Seal) *ledger.Entry {
	seal.Updates = slices.Clone(seal.Updates)
	for i, u := range seal.Updates {
		if u.Update.From != l.Self() {
			continue
		}
		if other := a.rival(&u.Update); other != nil {
			seal.Updates[i].Update = *other
		}
	}
	return l.changed(e, &seal)
}
