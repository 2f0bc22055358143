package sim

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// calm holds progress: once the last fault is mended, a height at which there is something to decide
// ends, and in time. There is when so many honest sites are ready for an entry that they are a quorum:
// a liar's vote opens a height too, for nothing.
type calm struct {
	w      *World
	from   time.Duration // when the last fault is mended
	limit  time.Duration // for a height
	quorum int
	height uint64                     // newest that a site has decided
	ready  map[block.CID]map[int]bool // honest sites, by entry of the next height
	opened time.Duration              // since when a quorum of them is ready for one; 0: not yet
}

func (c *calm) of(w *World) {
	c.w, c.ready = w, map[block.CID]map[int]bool{}
	for _, f := range w.cfg.Plan {
		if f.On == "" && f.Round == 0 {
			c.from = max(c.from, f.End())
		}
	}
	c.sized(len(w.genesis.Sites))
}

// sized takes the size of the roster that decides the next height.
func (c *calm) sized(n int) {
	views := 0
	if c.w.cfg.Faults == ledger.Crash {
		c.quorum = n/2 + 1
		views = n - c.quorum + 2
	} else {
		c.quorum = (n+(n-1)/3)/2 + 1
		views = (n-1)/3 + 2
	}
	// A view is three steps, each of a capped timeout; a vote that was lost is sent again within
	// twice the cap of repetitions; connections that were given up are made anew.
	t := c.w.cfg.Timing
	c.limit = time.Duration(views)*3*t.ProposeCap + 2*t.ResendCap + dialDelay + dialSpread + detectDelay
}

// disturbed tells that a fault begins which lasts until a time.
func (c *calm) disturbed(until time.Duration) {
	c.from = max(c.from, until)
	if c.opened > 0 {
		c.opened = max(c.opened, until)
	}
}

// decided notes that a site has decided a height.
func (c *calm) decided(height uint64) {
	if height > c.height {
		c.height, c.opened = height, 0
		clear(c.ready)
	}
}

// sees looks at a line of an honest site's trace.
func (c *calm) sees(s *site, t trace.Event) {
	ready, ok := t.(trace.Ready)
	if !ok || ready.Height != c.height+1 {
		return
	}
	entry := ready.Decision.Entry
	if c.ready[entry] == nil {
		c.ready[entry] = map[int]bool{}
	}
	c.ready[entry][s.i] = true
	if len(c.ready[entry]) >= c.quorum && c.opened == 0 {
		c.opened = max(c.w.now, c.from)
	}
}

// event fails a height that has been open for too long.
func (c *calm) event() {
	if c.opened > 0 && c.w.now > c.opened+c.limit {
		c.w.fail(-1, PromiseProgress, fmt.Sprintf("height %d, decidable since %v, is not decided after %v of calm", c.height+1, c.opened, c.limit))
	}
}
