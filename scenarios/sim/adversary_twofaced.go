package sim

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round"
)

// face says who is told the second of two things, and whether both are said aloud after that: over
// gossip, so that all hear both.
type face struct {
	half  map[peer.ID]bool
	aloud bool
}

func (l *Liar) face() face { return face{l.Half(), l.rng.IntN(2) == 0} }

// tell sends the site's statement to some, and another in its place to the rest.
func (l *Liar) tell(s round.Send, f face, other *round.Signed) {
	lie := &round.Message{Attempt: s.Message.Attempt, Statement: other}
	for _, id := range l.audience(s) {
		m := s.Message
		if f.half[id] {
			m = lie
		}
		l.Send(round.Send{To: id, Message: m})
	}
	if f.aloud && s.To == "" {
		l.Send(s)
		l.Send(round.Send{Message: lie})
	}
}

// DoubleVoter signs two votes for one place and shows them to different halves, or to all: for an entry
// and nil, or for two entries. It attacks agreement: no two entries may be certified at a height, and
// a double that one site sees is named by all.
type DoubleVoter struct {
	height uint64
	rivals []block.CID           // entries spoken of at this height
	second map[seat]*secondThing // what it says beside its votes
}

type secondThing struct {
	face
	*round.Signed
}

// Name returns the name of its kind.
func (a *DoubleVoter) Name() string { return "double-voter" }

func (a *DoubleVoter) turn(l *Liar) {
	if a.height != l.next() {
		a.height, a.rivals, a.second = l.next(), nil, map[seat]*secondThing{}
	}
}

// Hear notes what may be voted for.
func (a *DoubleVoter) Hear(l *Liar, ev round.Event) round.Event {
	if _, body := l.heard(ev); body != nil {
		a.turn(l)
		if e := l.spoken(body); e.Defined() && len(a.rivals) < 8 {
			a.rivals = append(a.rivals, e)
		}
	}
	return ev
}

// Send votes twice.
func (a *DoubleVoter) Send(l *Liar, s round.Send) {
	st, body := l.own(s)
	v, ok := body.(*round.Vote)
	if !ok || v.Height != l.next() {
		l.Send(s)
		return
	}
	a.turn(l)
	at := seat{st.Kind, v.View}
	if a.second[at] == nil {
		a.second[at] = &secondThing{l.face(), l.Sign(st.Kind, &round.Vote{Height: v.Height, View: v.View, Entry: a.rival(l, v.Entry)})}
		l.Did("signed two " + string(st.Kind) + "s")
	}
	l.tell(s, a.second[at].face, a.second[at].Signed)
}

// rival returns what else to vote for.
func (a *DoubleVoter) rival(l *Liar, c block.CID) block.CID {
	if c.Defined() && l.rng.IntN(2) == 0 {
		return block.CID{}
	}
	for _, i := range l.rng.Perm(len(a.rivals)) {
		if a.rivals[i] != c {
			return a.rivals[i]
		}
	}
	return l.nowhere()
}

// Equivocator proposes two entries that can both be decided, each to a half of the mesh, and votes with
// each half for what it was shown. For seals it announces two updates a round, so that all are ready
// for either. It attacks agreement, and the claim that a polka convinces whoever did not see it.
type Equivocator struct {
	height uint64
	views  map[uint64]*schism
	spare  map[uint64]*round.Signed // its second update, by opening

	patient bool // it shows itself only where all may be ready for both entries
}

// schism is a view in which two entries are proposed.
type schism struct {
	face
	first, second block.CID
	proposal      *round.Signed // of the second
}

// Name returns the name of its kind.
func (a *Equivocator) Name() string { return "equivocator" }

// Hear trains a second update whenever the machine has one.
func (a *Equivocator) Hear(l *Liar, ev round.Event) round.Event {
	if t, ok := ev.(round.Trained); ok && t.Attempt == 1 {
		a.trainAgain(l, t)
	}
	return ev
}

func (a *Equivocator) trainAgain(l *Liar, t round.Trained) {
	r := l.Ledger().Run(t.Run)
	base, begun := r.BaseOf(t.Round)
	if !begun || r.Opened != t.Opened {
		return
	}
	again, err := l.Workload().Train(l.s.i, round.Train{
		Run: t.Run, Spec: r.Spec, Round: t.Round, Opened: t.Opened, Attempt: 2, Base: base, From: t.Manifest,
	})
	if err != nil {
		return
	}
	l.Hold(again.Update.Manifest)
	if a.spare == nil {
		a.spare = map[uint64]*round.Signed{}
	}
	a.spare[t.Opened] = l.Sign(round.KindUpdate, &round.Update{
		Run: t.Run, Round: t.Round, Opened: t.Opened, Attempt: 2, Base: base,
		Manifest: again.Update.Manifest, Samples: t.Samples, Metrics: map[string]float64{},
	})
	l.Repeat(a.spare[t.Opened])
}

// Send shows each half what is meant for it.
func (a *Equivocator) Send(l *Liar, s round.Send) {
	st, body := l.own(s)
	switch b := body.(type) {
	case *round.Proposal:
		if split := a.split(l, b); split != nil {
			l.tell(s, split.face, split.proposal)
			return
		}
	case *round.Vote:
		if split := a.views[b.View]; split != nil && b.Height == a.height {
			l.tell(s, split.face, l.Sign(st.Kind, &round.Vote{Height: b.Height, View: b.View, Entry: split.second}))
			return
		}
	}
	l.Send(s)
}

// split returns the second proposal for the place of a first, and who is shown which.
func (a *Equivocator) split(l *Liar, p *round.Proposal) *schism {
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
	q := &round.Proposal{Height: p.Height, View: p.View, ValidView: -1, Entry: other.Block().Data}
	a.views[p.View] = &schism{l.face(), e.CID(), other.CID(), l.Sign(round.KindProposal, q)}
	l.Did("proposed two " + e.Kind() + "s")
	return a.views[p.View]
}

// variant returns another entry that may be decided in the place of e.
func (a *Equivocator) variant(l *Liar, e *round.Entry) *round.Entry {
	switch {
	case e == nil:
		return nil
	case e.Commit != nil && !a.patient:
		return l.changed(e, func(c *round.Entry) {
			commit := *e.Commit
			commit.Model = l.nowhere()
			c.Commit = &commit
		})
	case e.Seal != nil && e.Seal.Number == 0:
		if spare := a.spare[e.Seal.Opened]; spare != nil && (a.patient || l.rng.IntN(4) > 0) {
			return l.changed(e, func(c *round.Entry) {
				seal := *e.Seal
				seal.Updates = nil
				for _, u := range e.Seal.Updates {
					if u.Update.From == l.Self() && u.Update.Update().Round == seal.Round {
						u.Update = *spare
					}
					seal.Updates = append(seal.Updates, u)
				}
				c.Seal = &seal
			})
		}
		if a.patient {
			return nil
		}
		in := e.Seal.Contributors()
		return l.without(e, in[l.rng.IntN(len(in))])
	}
	return nil
}
