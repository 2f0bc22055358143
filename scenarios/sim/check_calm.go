package sim

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/round"
)

// calm holds progress: once the last fault is mended, a height that is opened ends, and in time.
type calm struct {
	w      *World
	from   time.Duration // when the last fault is mended
	limit  time.Duration // for a height
	height uint64        // newest that a site has decided
	opened time.Duration // when the next height was first seen open; 0: it is not
}

func (c *calm) of(w *World) {
	c.w = w
	for _, f := range w.cfg.Plan {
		c.from = max(c.from, f.End())
	}
	n := len(w.genesis.Sites)
	views := 0
	if w.cfg.Faults == round.Crash {
		views = n - (n/2 + 1) + 2
	} else {
		views = (n-1)/3 + 2
	}
	// A view is three steps, each of a capped timeout; a vote that was lost is sent again within
	// twice the cap of repetitions; connections that were given up are made anew.
	t := w.cfg.Timing
	c.limit = time.Duration(views)*3*t.ProposeCap + 2*t.ResendCap + dialDelay + dialSpread + detectDelay
}

// decided notes that a site has decided a height.
func (c *calm) decided(height uint64) {
	if height > c.height {
		c.height, c.opened = height, 0
	}
}

// sees looks at a line of an honest site's trace.
func (c *calm) sees(t round.Trace) {
	if t.Event == "open height" && t.Height == c.height+1 && c.opened == 0 {
		c.opened = max(c.w.now, c.from)
	}
}

// event fails a height that has been open for too long.
func (c *calm) event() {
	if c.opened > 0 && c.w.now > c.opened+c.limit {
		c.w.fail(-1, PromiseProgress, fmt.Sprintf("height %d, open since %v, is not decided after %v of calm", c.height+1, c.opened, c.limit))
	}
}
