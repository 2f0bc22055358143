package runs

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// A round waits for who may yet come, and not for who is gone. All here is the judgement of this site alone: which seal is valid
// does not depend on it.

// Presence tells which other sites are there.
type Presence interface {
	Reaches(id peer.ID) bool // is the site connected with a peer?
	Heard(id peer.ID, now time.Duration)
	// Gone reports whether a site has left since a round was opened, and said nothing since, or was gone before: it is not connected,
	// and has said nothing since that, nor since an earlier time. Of who was never connected only what it says shows that it lives.
	Gone(id peer.ID, opened, earlier time.Duration) (left, before bool)
}

// awaits counts the sites that may yet offer an update of the round, beside those that a seal lists: those that are there, and
// those that have left since it was opened. Who was gone before is not awaited.
func awaits(p *state, listed []peer.ID) (here, left int) {
	opened := p.pace.openedAt[p.run.Opened]
	for _, c := range p.offers.order {
		if _, in := slices.BinarySearchFunc(listed, c.id, ledger.CompareIDs); !c.awaited || in {
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

// waitsBeside reports whether a first seal leaves out a site for which this site still waits: whoever formed it may have lost sight
// of a site that is there. While too few updates count here, no deadline is set here either, and the others' word is good.
func waitsBeside(p *state, s *ledger.Seal) bool {
	if p.phase.at != Enough {
		return false
	}
	here, left := awaits(p, s.Contributors())
	by, rested := p.pace.rested()
	return here > 0 || left > 0 && (!rested || p.now() < by)
}

// noteRest notes since when all who are there have delivered, and enough are in: then only those are missing who are gone.
func noteRest(p *state) {
	here, left := 1, 0
	if p.phase.at == Enough && p.offers.awaited > 0 {
		here, left = awaits(p, nil)
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
