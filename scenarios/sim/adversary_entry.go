package sim

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// swap puts other entries into the place of those that its site speaks of: when it is ready, when it
// proposes, and when it votes in a view in which it has proposed.
type swap struct{ known map[block.CID]*ledger.Entry } // by the true one; nil: it has no other

// other returns what to say in the place of an entry, or nil to say the truth.
func (a *swap) other(entry []byte, lie func(*ledger.Entry) *ledger.Entry) *ledger.Entry {
	e, err := ledger.DecodeEntry(entry)
	if err != nil {
		return nil
	}
	if a.known == nil {
		a.known = map[block.CID]*ledger.Entry{}
	}
	if _, known := a.known[e.CID()]; !known {
		a.known[e.CID()] = lie(e)
	}
	return a.known[e.CID()]
}

// send sends what the machine says with other entries in it; what says in words what they are.
func (a *swap) send(l *Liar, s round.Send, what string, lie func(*ledger.Entry) *ledger.Entry) {
	st, body := l.own(s)
	var said ledger.Body
	switch b := body.(type) {
	case *consensus.Ready:
		if e := a.other(b.Data, lie); e != nil {
			l.Did("was ready for " + what)
			said = &consensus.Ready{Height: b.Height, Entry: e.CID(), Data: e.Block().Data}
		}
	case *consensus.Proposal:
		if e := a.other(b.Entry, lie); e != nil {
			l.Did("proposed " + what)
			said = &consensus.Proposal{Height: b.Height, View: b.View, ValidView: -1, Entry: e.Block().Data}
		}
	case *ledger.Vote:
		mine := b.Height == l.next() && l.Ledger().Roster().Proposer(l.Ledger().Head(), b.View) == l.Self()
		if e := a.known[b.Entry]; e != nil && mine {
			l.Did("voted for " + what)
			said = &ledger.Vote{Height: b.Height, View: b.View, Entry: e.CID()}
		}
	}
	if said != nil {
		s.Message = &round.Message{Attempt: s.Message.Attempt, Statement: l.Sign(st.Kind, said)}
	}
	l.Send(s)
}

// WrongCommit is ready for the commit to a model that the sealed updates do not give, proposes it and
// votes for it. It attacks the claim that a committed model is the one that the seal gives: no honest
// site may believe a model that it has not computed.
type WrongCommit struct{ swap }

// Name returns the name of its kind.
func (a *WrongCommit) Name() string { return "wrong-commit" }

// Send names another model.
func (a *WrongCommit) Send(l *Liar, s round.Send) {
	a.send(l, s, "a wrong commit", func(e *ledger.Entry) *ledger.Entry {
		c := ledger.As[ledger.Commit](e)
		if c == nil {
			return nil
		}
		commit := *c
		commit.Model = l.nowhere()
		return l.changed(e, &commit)
	})
}

// Omitter leaves one site's update out of every seal that it is ready for, proposes or votes for in its
// views. It attacks the claim that no proposer can quietly leave a site out.
type Omitter struct {
	swap
	victim peer.ID
}

// Name returns the name of its kind.
func (a *Omitter) Name() string { return "omitter" }

// Boot chooses whom to leave out, once.
func (a *Omitter) Boot(l *Liar) {
	if others := l.Others(); a.victim == "" {
		a.victim = others[l.rng.IntN(len(others))]
	}
}

// Send names a shorter seal.
func (a *Omitter) Send(l *Liar, s round.Send) {
	a.send(l, s, "a seal that leaves a site out", func(e *ledger.Entry) *ledger.Entry { return l.without(e, a.victim) })
}

// Accuser claims in the place of each commit that one site's update cannot be had: it is ready for the seal without
// it, proposes it and votes for it. It attacks the claim that nobody is dropped without cause: whoever holds the
// update does not believe it.
type Accuser struct{ Omitter } // which chooses the victim

// Name returns the name of its kind.
func (a *Accuser) Name() string { return "accuser" }

// Send names the seal without the victim, or the round's void if too few would remain.
func (a *Accuser) Send(l *Liar, s round.Send) {
	a.send(l, s, "a seal without an update that all hold", func(e *ledger.Entry) *ledger.Entry {
		if ledger.As[ledger.Commit](e) == nil || e.Height != l.next() {
			return nil
		}
		r := l.Ledger().Run(e.Run())
		latest := r.Latest()
		g := &ledger.Ground{Kind: ledger.Unavailable, Dropped: []peer.ID{a.victim}}
		rest := slices.DeleteFunc(slices.Clone(latest.Updates), func(u ledger.SealedUpdate) bool { return u.Update.From == a.victim })
		if again := l.changed(e, &ledger.Seal{Run: r.ID, Round: r.Round, Opened: r.Opened, Number: latest.Number + 1, Ground: g, Updates: rest}); again != nil {
			return again
		}
		return l.changed(e, &ledger.Void{Run: r.ID, Round: r.Round, Seal: latest.CID, Ground: *g})
	})
}

// Broken means well, but its machine computes wrong models. It attacks the claim that sites which
// get different results find out which of them is wrong, and that the others go on.
type Broken struct{}

// Name returns the name of its kind.
func (a *Broken) Name() string { return "broken" }

// Deceive yields another model, or in every second round another state alone if the outer step has one.
func (a *Broken) Deceive(l *Liar, j runs.Reduce, r Reduced) Reduced {
	switch {
	case r.Bad != nil:
	case r.State.Manifest.Defined() && j.Round%2 == 0:
		l.Did("computed a wrong state")
		r.State.Manifest = l.nowhere()
	default:
		l.Did("computed a wrong model")
		r.Model.Manifest = l.nowhere()
	}
	return r
}
