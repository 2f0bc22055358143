package runs

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A round waits for who may yet come, and not for who is gone. All here is judgement, of this site alone: which seal is valid does
// not depend on it, nor with which seals of others this site agrees.

// Presence tells which other sites are there.
type Presence interface {
	Reaches(id peer.ID) bool // is the site connected with a peer?
	Heard(id peer.ID, now time.Duration)
	// Gone reports whether a site has left since a round was opened, and said nothing since, or was gone before: it is not connected,
	// and has said nothing since that, nor since an earlier time. Of who was never connected only what it says shows that it lives.
	Gone(id peer.ID, opened, earlier time.Duration) (left, before bool)
}

// awaits counts the sites that may yet offer an update of the round: those that are there, and those that have left since it was
// opened. Who was gone before is not awaited.
func awaits(p *state) (here, left int) {
	opened := p.pace.openedAt[p.run.Opened]
	for _, c := range p.offers.order {
		if !c.awaited {
			continue
		}
		if c.id == p.Self {
			here++
			continue
		}
		switch gone, before := p.Sites.Gone(c.id, opened, p.sealedAt); {
		case gone:
			left++
		case !before:
			here++
		}
	}
	return here, left
}

// noteRest notes since when all who are there have delivered, and enough are in: then only those are missing who are gone.
func noteRest(p *state) {
	here, left := 1, 0
	if p.phase.at == Enough && p.offers.awaited > 0 {
		here, left = awaits(p)
	}
	p.pace.rest(p.now(), here == 0, left > 0, p.Timing.Deadline)
}

// rest notes whether only sites are missing that are gone, and whether one of them left in this round: it gets a moment to come
// back, from then on, a quarter of what an update usually takes.
func (c *pace) rest(now time.Duration, only, left bool, least time.Duration) {
	switch {
	case !only:
		c.restBy = 0
	case !left:
		c.restBy = max(now, 1)
	case c.restBy == 0:
		c.restBy = now + max(least, c.median/4)
	}
}

// rested reports whether only sites are missing that are gone, and none of them is waited for any more after a time.
func (c *pace) rested() (by time.Duration, ok bool) { return c.restBy, c.restBy > 0 }
