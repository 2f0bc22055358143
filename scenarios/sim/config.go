package sim

import (
	"fmt"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
)

// Config is a mesh and all that happens to it.
type Config struct {
	Seed     uint64
	Faults   ledger.Faults
	Protocol uint64       // in force from the first height on; 0: the first
	Timing   round.Timing // zero: round.DefaultTiming
	Sites    []Site
	Path     func(from, to int) Path // nil: every pair has [LAN]
	Workload Workload                // nil: a [Synthetic] of 1 MB and 10 s
	Plan     []Fault
	Acts     []Act
	Check    bool // hold the protocol's promises after every event
	Eager    bool // every machine looks at everything after every event: see round.Config

	// Observe is told every line of every site's trace, and what the world does to sites (site
	// -1: to all); nil: nobody.
	Observe func(at time.Duration, site int, t trace.Event)

	// Work is told all that a site's machine asks of its driver, liars' machines included, before
	// any of it is done; nil: nobody. It must not change it.
	Work func(at time.Duration, site int, w round.Work)
}

// Site is one site of the mesh.
type Site struct {
	Name      string
	Start     time.Duration // when it is first started
	Outside   bool          // not in the first roster
	Clock     Clock
	Sync      time.Duration // how long its disk takes to make records durable
	Up, Down  float64       // bytes/s of its access link; 0: unlimited
	Slow      float64       // its trainings and reductions take so many times as long; 0: once
	Decline   bool          // its operator declines every run
	Unlent    bool          // no other site may measure its updates
	Adversary Adversary     // nil: honest
}

// Path is the way from one site to another.
type Path struct {
	Latency   time.Duration // one way
	Jitter    time.Duration // up to so much more, each message its own: it reorders
	Loss      float64       // of messages, 0 to 1; artifacts are repeated until they arrive
	Duplicate float64       // of messages, 0 to 1
	Bandwidth float64       // bytes/s of this pair; 0: unlimited
}

// LAN is a path inside one building.
var LAN = Path{Latency: 200 * time.Microsecond, Jitter: 100 * time.Microsecond, Bandwidth: 125e6}

// Act is something that a site's operator does. If the site is down it is done after the restart.
type Act struct {
	At   time.Duration
	Site int
	Do   round.Event // OpenRun, StopRun, Considered, ...
}

// maxSites is how many sites a world is asked to hold.
const maxSites = 1024

func (c *Config) validate() error {
	switch {
	case len(c.Sites) == 0 || len(c.Sites) > maxSites:
		return fmt.Errorf("simulate: %d sites, want 1 to %d", len(c.Sites), maxSites)
	case c.Faults != ledger.Byzantine && c.Faults != ledger.Crash:
		return fmt.Errorf("simulate: faults %q, want %q or %q", c.Faults, ledger.Byzantine, ledger.Crash)
	}
	for i, f := range c.Plan {
		if err := f.validate(len(c.Sites)); err != nil {
			return fmt.Errorf("simulate: fault %d: %w", i+1, err)
		}
	}
	for i, a := range c.Acts {
		if a.Site < 0 || a.Site >= len(c.Sites) || a.Do == nil {
			return fmt.Errorf("simulate: act %d: site %d of %d does nothing", i+1, a.Site, len(c.Sites))
		}
	}
	return nil
}
