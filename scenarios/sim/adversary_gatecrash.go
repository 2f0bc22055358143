package sim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Gatecrasher wants another roster than the mesh does. It approves alone of changes, and of more than it may; it is
// ready for changes that no quorum approves of, with whatever signatures it can get, proposes them and votes for them;
// and once it is removed, it votes on. It attacks the claim that the roster changes as a quorum has approved, and in
// no other way.
type Gatecrasher struct {
	swap
	victim   peer.ID
	way      int                            // in which it forged a change last
	heard    []ledger.Change                // that others ask for, of the newest version heard of
	approved map[block.CID][]*ledger.Signed // their approvals
	lingers  map[place]bool                 // where it has voted when it had been removed
}

// Name returns the name of its kind.
func (a *Gatecrasher) Name() string { return "gatecrasher" }

// Boot chooses, once, whom it wants out, and begins to ask for it.
func (a *Gatecrasher) Boot(l *Liar) {
	if others := l.Others(); a.victim == "" {
		a.victim = others[l.rng.IntN(len(others))]
	}
	l.Every(approveAgain, func() { a.ask(l) })
}

// ask approves of what nobody else wants.
func (a *Gatecrasher) ask(l *Liar) {
	l.Did("approved alone of a change")
	l.Say(l.Sign(ledger.KindApprove, a.expulsion(l)))
	l.Did("approved of more changes than it may")
	for i := range 20 {
		l.Say(l.Sign(ledger.KindApprove, a.friend(l, i)))
	}
	l.Did("approved in another's name")
	own := l.Sign(ledger.KindApprove, a.expulsion(l))
	l.Say(&ledger.Signed{From: l.another(own), Kind: own.Kind, Body: own.Body, Sig: own.Sig})
}

// expulsion is the victim's removal, from the roster that the site knows.
func (a *Gatecrasher) expulsion(l *Liar) *ledger.Change {
	r := l.Ledger().Roster()
	return &ledger.Change{Version: r.Version(), Remove: &ledger.Site{ID: a.victim, Name: r.Name(a.victim)}}
}

// friend is the addition of a site that does not exist.
func (a *Gatecrasher) friend(l *Liar, i int) *ledger.Change {
	name := fmt.Sprintf("friend %d of %s", i, l.s.Name)
	id, err := siteID(name)
	if err != nil {
		panic(err) // a key can be made of every name
	}
	return &ledger.Change{Version: l.Ledger().Roster().Version(), Add: &ledger.Site{ID: id, Name: name}}
}

// Hear notes what others approve of, and votes as they do where it no longer may.
func (a *Gatecrasher) Hear(l *Liar, ev round.Event) round.Event {
	s, body := l.heard(ev)
	switch b := body.(type) {
	case *ledger.Change:
		a.note(s, b)
	case *ledger.Vote:
		if !l.Ledger().Roster().Has(l.Self()) && b.Height > l.Ledger().Height() {
			a.linger(l, s.Kind, b)
		}
	}
	return ev
}

func (a *Gatecrasher) note(s *ledger.Signed, c *ledger.Change) {
	if len(a.heard) == 0 || c.Version > a.heard[0].Version {
		a.heard, a.approved = nil, map[block.CID][]*ledger.Signed{}
	} else if c.Version < a.heard[0].Version {
		return
	}
	id := c.ID()
	if a.approved[id] == nil && len(a.heard) < 100 {
		a.heard = append(a.heard, *c)
	}
	if !slices.ContainsFunc(a.approved[id], func(o *ledger.Signed) bool { return o.From == s.From }) {
		a.approved[id] = append(a.approved[id], s)
	}
}

// linger repeats another's vote with its own signature, once in a place.
func (a *Gatecrasher) linger(l *Liar, kind ledger.Kind, v *ledger.Vote) {
	at := place{kind: kind, height: v.Height, view: v.View}
	if a.lingers[at] {
		return
	}
	if a.lingers == nil {
		a.lingers = map[place]bool{}
	}
	a.lingers[at] = true
	l.Did("voted when it had been removed")
	l.Say(l.Sign(kind, v))
}

// Send speaks of changes where the machine speaks of seals and commits.
func (a *Gatecrasher) Send(l *Liar, s round.Send) {
	a.send(l, s, "a change without a quorum", func(e *ledger.Entry) *ledger.Entry {
		if ledger.As[ledger.Changed](e) != nil {
			return nil
		}
		c := a.forged(l)
		if c == nil {
			return nil
		}
		return &ledger.Entry{Mesh: e.Mesh, Height: e.Height, Parent: e.Parent, Body: c}
	})
}

// forged makes up a decided change, in one way after the other.
func (a *Gatecrasher) forged(l *Liar) *ledger.Changed {
	for _, forge := range []func(*Liar) *ledger.Changed{a.again, a.few, a.doubled, a.fromVotes, a.unsigned}[a.way:] {
		a.way = (a.way + 1) % 5
		if c := forge(l); c != nil {
			return c
		}
	}
	return nil
}

func (a *Gatecrasher) few(l *Liar) *ledger.Changed {
	l.Did("forged a change: too few approvals")
	c := a.expulsion(l)
	for i := range a.heard { // the one with the most approvals, of those that need no join
		if o := &a.heard[i]; o.Add == nil && len(a.approved[o.ID()]) > len(a.approved[c.ID()]) {
			c = o
		}
	}
	return &ledger.Changed{Change: *c, Approvals: a.approvals(l, c)}
}

func (a *Gatecrasher) doubled(l *Liar) *ledger.Changed {
	l.Did("forged a change: one approval many times")
	c := a.expulsion(l)
	return &ledger.Changed{Change: *c, Approvals: slices.Repeat(a.approvals(l, c)[:1], l.Ledger().Roster().Quorum())}
}

// approvals are those of a change that it has heard, and its own.
func (a *Gatecrasher) approvals(l *Liar, c *ledger.Change) []ledger.CertVote {
	list := []ledger.CertVote{{From: l.Self(), Sig: l.Sign(ledger.KindApprove, c).Sig}}
	for _, s := range a.approved[c.ID()] {
		list = append(list, ledger.CertVote{From: s.From, Sig: s.Sig})
	}
	slices.SortFunc(list, func(x, y ledger.CertVote) int { return cmp.Compare(x.From, y.From) })
	return list
}

// fromVotes shows a quorum's votes as its approvals.
func (a *Gatecrasher) fromVotes(l *Liar) *ledger.Changed {
	h := l.Ledger().Height()
	if h == 0 {
		return nil
	}
	l.Did("forged a change: votes as approvals")
	return &ledger.Changed{Change: *a.expulsion(l), Approvals: l.Ledger().At(h).Certificate.Votes}
}

// unsigned adds, with all the approvals there are, a key whose holder has not signed.
func (a *Gatecrasher) unsigned(l *Liar) *ledger.Changed {
	changes := append(slices.Clone(a.heard), *a.friend(l, 0))
	i := slices.IndexFunc(changes, func(c ledger.Change) bool { return c.Add != nil })
	c := changes[i]
	l.Did("forged a change: no join of the key that comes")
	join := l.Sign(ledger.KindJoin, &ledger.Join{Change: c.ID(), Height: l.Ledger().Height(), Entry: l.Ledger().Head()})
	join.From = c.Add.ID
	return &ledger.Changed{Change: c, Approvals: a.approvals(l, &c), Join: join}
}

// again shows a change that was decided before.
func (a *Gatecrasher) again(l *Liar) *ledger.Changed {
	for h := l.Ledger().Height(); h > 0; h-- {
		if c := ledger.As[ledger.Changed](l.Ledger().At(h).Entry); c != nil {
			l.Did("forged a change: one that was decided before")
			return c
		}
	}
	return nil
}
