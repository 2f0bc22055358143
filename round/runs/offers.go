package runs

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// offers are what the sites offer in a run.
type offers struct {
	sites   map[peer.ID]*contributor
	order   []*contributor          // the same, ascending by site
	updates map[block.CID][]*update // theirs, by manifest

	in      int // sites with an update for a seal formed now
	awaited int // sites that may yet offer one of this round
}

func newOffers() offers {
	return offers{sites: map[peer.ID]*contributor{}, updates: map[block.CID][]*update{}}
}

// of returns what a site offers, which may be nothing yet.
func (o *offers) of(id peer.ID) *contributor {
	c := o.sites[id]
	if c == nil {
		c = &contributor{id: id}
		o.sites[id] = c
		at, _ := slices.BinarySearchFunc(o.order, id, func(c *contributor, id peer.ID) int { return ledger.CompareIDs(c.id, id) })
		o.order = slices.Insert(o.order, at, c)
	}
	return c
}

// begin lets the time since when each update is known count from now on.
func (o *offers) begin(now time.Duration) {
	for _, c := range o.order {
		for _, u := range c.updates {
			u.begin(now)
		}
	}
}

// accepts reports whether a site has said that it takes part.
func (o *offers) accepts(id peer.ID) bool { return o.sites[id] != nil && o.sites[id].accepts }

// add takes an update.
func (o *offers) add(s *ledger.Signed, u *ledger.Update, now time.Duration) *update {
	known := o.of(s.From).add(s, u, now)
	o.updates[u.Manifest] = append(o.updates[u.Manifest], known)
	return known
}

// keep forgets the updates for which f is false.
func (o *offers) keep(f func(*contributor, *update) bool) {
	clear(o.updates)
	for _, c := range o.order {
		c.keep(func(u *update) bool { return f(c, u) })
		for _, u := range c.updates {
			o.updates[u.Manifest] = append(o.updates[u.Manifest], u)
		}
	}
}

// counts sets with which update a site would be in a seal formed now, and whether it is awaited.
func (o *offers) counts(c *contributor, best *update, awaited bool) {
	o.tally(c, -1)
	c.counts(best, awaited)
	o.tally(c, +1)
}

func (o *offers) tally(c *contributor, by int) {
	if c.best != nil {
		o.in += by
	}
	if c.awaited {
		o.awaited += by
	}
}

// holds reports whether every update that a seal lists is held.
func (o *offers) holds(s *ledger.Seal) bool {
	for i := range s.Updates {
		from, listed := s.Updates[i].Update.From, s.Updates[i].Update.Update()
		c := o.sites[from]
		if c == nil {
			return false
		}
		if u := c.find(listed.Opened, listed.Manifest); u == nil || !u.usable() {
			return false
		}
	}
	return true
}

// omits reports whether a seal leaves out an update of a round that this site would have sealed.
func (o *offers) omits(s *ledger.Seal, round uint64) bool {
	listed := s.Contributors()
	for _, c := range o.order {
		if c.best == nil || c.best.Round != round {
			continue
		}
		if _, in := slices.BinarySearchFunc(listed, c.id, ledger.CompareIDs); !in {
			return true
		}
	}
	return false
}

// awaits reports whether a site that can be reached may yet offer an update of this round.
func (o *offers) awaits(reaches func(peer.ID) bool) bool {
	return slices.ContainsFunc(o.order, func(c *contributor) bool { return c.awaited && reaches(c.id) })
}

// coming counts the sites whose updates for an opening are in, or announced by sites that can be reached: those
// are being fetched, and another attempt would only have everybody fetch again.
func (o *offers) coming(opened uint64, reaches func(peer.ID) bool) (n int) {
	for _, c := range o.order {
		u := c.offer(opened)
		if c.best != nil || u != nil && u.invalid == "" && reaches(c.id) {
			n++
		}
	}
	return n
}
