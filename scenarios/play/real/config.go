package real

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
	"github.com/weft-mesh/weft/scenarios/sim"
)

// sitesPerCore is how many nodes a core is asked to run: with more they would wait for each other more
// than for their links.
const sitesPerCore = 4

// MaxSites is how many nodes this machine is asked to run.
func MaxSites() int { return min(sitesPerCore*runtime.NumCPU(), math.MaxUint8) }

// Config is a mesh of real nodes and all that happens to it.
type Config struct {
	Exe    string // the weft binary
	Seed   uint64 // of what links lose
	Faults ledger.Faults
	Sites  []Site
	Path   func(from, to int) shape.Path
	Run    api.RunRequest // what the first site asks for
	Opens  time.Duration  // when it does
	Plan   []sim.Fault
	Models string        // folder into which the models of all rounds are written, as CID.safetensors; empty: nowhere
	Until  time.Duration // when the run ends if it is not done before
	Bed    netem.Kind    // empty: the best that is to be had here
	Strict bool          // the first training that fails ends it
}

// Site is one site.
type Site struct {
	Name    string
	Trainer string        // as in config.yaml, on one line
	Start   time.Duration // when its node is first started
	Decline bool          // it takes part in no run
	Outside bool          // not in the first roster
	Access  shape.Access
}

// ErrImpossible is returned for what can be simulated but not done to real processes.
var ErrImpossible = errors.New("cannot be done to real processes")

// impossible says of each fault that cannot be done to a process, why.
var impossible = map[sim.FaultKind]string{
	sim.SlowDisk: "the disk is this machine's; stall stops the whole process",
	sim.Jump:     "the clock is this machine's",
	sim.Slow:     "a trainer's time is fixed when its node starts; give the site another speed",
	sim.Sick:     "a trainer does not fail on demand",
}

func possible(f sim.FaultKind) error {
	if why := impossible[f]; why != "" {
		return fmt.Errorf("%s: %w: %s", f, ErrImpossible, why)
	}
	return nil
}

func (c *Config) validate() error {
	if n := len(c.Sites); n == 0 || n > MaxSites() {
		return fmt.Errorf("%d sites: this machine, of %d cores, is asked to run 1 to %d real nodes\n  hint: --sites runs the scenario with fewer",
			n, runtime.NumCPU(), MaxSites())
	}
	for i := range c.Plan {
		if err := possible(c.Plan[i].Kind); err != nil {
			return err
		}
	}
	return nil
}

// open returns the test bed that is asked for, or the best.
func (c *Config) open() (netem.TestBed, netem.Kind, error) {
	var access []shape.Access
	for _, s := range c.Sites {
		access = append(access, s.Access)
	}
	return netem.Open(c.Bed, access, c.Path, c.Seed)
}
