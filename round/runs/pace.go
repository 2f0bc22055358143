package runs

import (
	"maps"
	"slices"
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// pace is how long a run's updates take here. Deadlines follow from it.
type pace struct {
	openedAt map[uint64]time.Duration // when each opening began here
	arrivals []time.Duration          // how long updates took, of the last rounds
	usual    time.Duration            // how long nine in ten of them took at most, when this round began; 0: not known yet
	median   time.Duration            // how long half of them took at most
	enoughAt time.Duration            // since when enough are in for a seal
	restBy   time.Duration            // when nobody is waited for any more who is gone; 0: others are
}

func newPace(opened uint64, now time.Duration) pace {
	return pace{openedAt: map[uint64]time.Duration{opened: now}}
}

// begin lets the times of what was restored count from now on: a log has no clock.
func (c *pace) begin(now time.Duration) {
	for opened := range c.openedAt {
		c.openedAt[opened] = now
	}
}

// open begins a round, or the same again.
func (c *pace) open(opened uint64, now time.Duration) {
	c.openedAt[opened], c.restBy = now, 0
	if len(c.openedAt) > ledger.MaxStale+2 { // no older update can count
		delete(c.openedAt, slices.Min(slices.Collect(maps.Keys(c.openedAt))))
	}
}

// arrived notes how long an update took; of so many at most.
func (c *pace) arrived(opened uint64, now time.Duration, most int) {
	began, ok := c.openedAt[opened]
	if !ok {
		return
	}
	c.arrivals = append(c.arrivals, now-began)
	if over := len(c.arrivals) - most; over > 0 {
		c.arrivals = slices.Delete(c.arrivals, 0, over)
	}
}

// lookBack notes how long updates usually took, at the start of a round.
func (c *pace) lookBack(least int) {
	if len(c.arrivals) > least {
		sorted := slices.Sorted(slices.Values(c.arrivals))
		c.usual, c.median = sorted[len(sorted)*9/10], sorted[len(sorted)/2]
	}
}

// suffice notes since when enough updates are in for the round of an opening.
func (c *pace) suffice(opened uint64, now time.Duration) {
	c.enoughAt = now
	if c.usual == 0 {
		c.median = now - c.openedAt[opened]
	}
}

// deadline returns the soft deadline of the round of an opening, once enough updates are in. It is measured: in
// the first round, as long again as the last of the fewest updates took; later 1.5 times what they took or the
// 90th percentile of the arrivals in the rounds before, late ones included, whichever is longer, but not without
// bound, or a site that comes ever later would stretch it for ever. It is at least least.
func (c *pace) deadline(opened uint64, first bool, least time.Duration) time.Duration {
	began := c.openedAt[opened]
	took := c.enoughAt - began
	wait := 2 * took
	if !first && c.usual > 0 {
		wait = min(max(c.usual, took)*3/2, patience*max(took, least))
	}
	return max(c.enoughAt, began+max(wait, least))
}
