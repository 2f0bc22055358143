package sim

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// face says who is told the second of two things, and whether both are said aloud after that: over
// gossip, so that all hear both.
type face struct {
	half  map[peer.ID]bool
	aloud bool
}

func (l *Liar) face() face { return face{l.Half(), l.rng.IntN(2) == 0} }

// tell sends the site's statement to some, and another in its place to the rest.
func (l *Liar) tell(s round.Send, f face, other *ledger.Signed) {
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
	*ledger.Signed
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
	v, ok := body.(*ledger.Vote)
	if !ok || v.Height != l.next() {
		l.Send(s)
		return
	}
	a.turn(l)
	at := seat{st.Kind, v.View}
	if a.second[at] == nil {
		a.second[at] = &secondThing{l.face(), l.Sign(st.Kind, &ledger.Vote{Height: v.Height, View: v.View, Entry: a.rival(l, v.Entry)})}
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

// DoubleDealer offers two updates in one place: each half of the mesh is told of another. That is no lie, as a site that has
// forgotten the first would do the same. It attacks the claim that a site counts once, and that seals which list the one or
// the other do not divide the mesh: all it costs is that sites fetch both.
type DoubleDealer struct {
	second map[string]*secondThing // by the first's body
}

// Name returns the name of its kind.
func (a *DoubleDealer) Name() string { return "double-dealer" }

// Send tells one half of the update, and the other half of another.
func (a *DoubleDealer) Send(l *Liar, s round.Send) {
	st, body := l.own(s)
	u, ok := body.(*ledger.Update)
	if !ok {
		l.Send(s)
		return
	}
	if a.second == nil {
		a.second = map[string]*secondThing{}
	}
	if a.second[string(st.Body)] == nil {
		again, ok := l.trainAgain(u.Run, u.Opened, 1<<32+u.Attempt, u.Manifest)
		if !ok {
			l.Send(s)
			return
		}
		other := *u
		other.Manifest = again.Update.Manifest
		a.second[string(st.Body)] = &secondThing{l.face(), l.Sign(ledger.KindUpdate, &other)}
		l.Did("offered two updates")
	}
	l.tell(s, a.second[string(st.Body)].face, a.second[string(st.Body)].Signed)
}

// trainAgain trains from an own update of the current round and holds what comes out; the time that it takes
// is not waited for.
func (l *Liar) trainAgain(run block.CID, opened, attempt uint64, from block.CID) (Trained, bool) {
	r := l.Ledger().Run(run)
	if r == nil || !r.Active() || r.Opened != opened {
		return Trained{}, false
	}
	t, err := l.Workload().Train(l.s.i, runs.Train{
		Run: run, Spec: r.Spec, Round: r.Round, Opened: opened, Attempt: attempt, Base: r.Base, From: from,
	})
	if err != nil {
		return Trained{}, false
	}
	l.Hold(t.Update.Manifest)
	return t, true
}
