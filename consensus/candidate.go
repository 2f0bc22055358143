package consensus

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

const (
	tellAtOnce = 64 << 10              // bytes that all sites together may take to tell an entry without waiting for each other
	tellSlot   = 50 * time.Millisecond // between two sites that would tell the same
)

// Look takes the entries that this site wants as candidates, and tells the others for which candidates
// it has become ready.
func (a *Agreement) Look() {
	for _, e := range a.app.Wanted() {
		if c := a.height.candidate(e.CID()); c.entry == nil {
			a.know(c, e)
			c.form()
		}
	}
	for _, id := range a.height.order() {
		c := a.height.candidates[id]
		if c.entry == nil || c.ready[a.self] || a.app.Stance(c.entry) != Agrees {
			continue
		}
		a.sayReady(id, c)
	}
}

// sayReady tells the others that this site is ready for a candidate. It stays so until the height ends:
// what it holds is pinned, and the others count on it.
func (a *Agreement) sayReady(id block.CID, c *candidate) {
	c.join(a.self)
	r := &Ready{Height: a.height.number, Entry: id}
	if c.formed { // the others may not know it yet
		if data := c.entry.Data(); len(data)*a.roster.Len() <= tellAtOnce {
			r.Data = data
		} else {
			a.height.tellLater(c, a.out.Now()+a.turn())
		}
	}
	a.publishReady(a.out.Sign(KindReady, r), r.Height)
	a.out.Note(Note{Kind: SaidReady, Height: a.height.number, CID: id, Entry: c.entry})
	a.openIfReady(c)
}

// turn returns how long this site waits before it tells a large entry: as all that mean it form it, one
// is enough, the view's proposer first.
func (a *Agreement) turn() time.Duration {
	n := a.roster.Len()
	first, _ := a.roster.Index(a.roster.Proposer(a.height.parent, a.height.view))
	own, _ := a.roster.Index(a.self)
	return tellSlot * time.Duration((own+n-first)%n)
}

// TellLarge tells the entries whose turn has come, unless a quorum has shown that it knows them.
func (a *Agreement) TellLarge() {
	number := a.height.number
	for _, e := range a.height.turns(a.out.Now(), a.roster.Quorum()) {
		a.publishReady(a.out.Sign(KindReady, &Ready{Height: number, Entry: e.CID(), Data: e.Data()}), number)
	}
}

// IsReady reports whether this site has said that it is ready for a candidate, or has locked it.
func (a *Agreement) IsReady(id block.CID) bool {
	c := a.height.candidates[id]
	return c != nil && c.entry != nil && (c.ready[a.self] || a.height.locked == id)
}

// mayVote reports whether this site may vote for a candidate. Readiness is holding what it needs and
// agreeing with its judgement (nobody left out, a ground that holds here too, no approval taken back). A quorum's prevotes
// vouch for the judgement: what differs from site to site must not halt the mesh once a site may have
// locked the entry. Holding is never vouched for, except to who takes no part in the run and may not
// hold its updates: at least q-f correct sites of that quorum do.
func (a *Agreement) mayVote(id block.CID, proven bool) bool {
	if a.IsReady(id) {
		return true
	}
	c := a.height.candidates[id]
	if !proven || c == nil || c.entry == nil {
		return false
	}
	return a.app.Stance(c.entry) != Lacks
}

// outdone reports whether a quorum, with this site, is ready for another candidate that outdoes an entry.
func (h *height) outdone(app App, quorum int, self peer.ID, e Entry) bool {
	for _, c := range h.candidates {
		if c.entry != nil && c.supported(quorum) && c.ready[self] && app.Outdoes(c.entry, e) {
			return true
		}
	}
	return false
}

// best returns the candidate that this site proposes: those that a quorum is ready for first; then what it has
// proposed least often, and what all have, as a quorum that says it is ready may have a liar in it, who does not
// vote then; then by kind (roster, commit, void and re-seal, run, seal), the oldest run, the most updates.
func (a *Agreement) best() Entry {
	var best *candidate
	for _, id := range a.height.order() {
		c := a.height.candidates[id]
		if c.entry == nil || !c.supported(a.roster.Quorum()) && !c.ready[a.self] {
			continue
		}
		if best == nil || before(a.app, a.roster.Quorum(), c, best) {
			best = c
		}
	}
	if best == nil {
		return nil
	}
	return best.entry
}

// before reports whether a candidate is proposed before another.
func before(app App, quorum int, x, y *candidate) bool {
	rank := func(c *candidate) [3]int {
		k := [3]int{1, c.offers, c.tried}
		if c.supported(quorum) {
			k[0] = 0
		}
		return k
	}
	p, q := rank(x), rank(y)
	if d := slices.Compare(p[:], q[:]); d != 0 {
		return d < 0
	}
	return app.Compare(x.entry, y.entry) < 0
}
