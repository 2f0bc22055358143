package try

import (
	"fmt"
	"path/filepath"

	"github.com/weft-mesh/weft/ledger"
)

// MaxSites is how many sites one machine is asked to run.
const MaxSites = 16

// Config is what is to be tried.
type Config struct {
	Exe     string // the weft binary, for the nodes
	Dir     string // empty folder for the sites' directories
	Heading string // such as weft try
	About   string // a line below it
	Sites   []Site
	Run     ledger.RunSpec // without what the node fills in
	Model   string         // full path of the safetensors file that the run starts from; empty: a site's trainer makes it
	Measure bool           // every site's trainer measures every model
	Best    *ledger.Best   // by which of those figures the best model is chosen; nil: none is
	Cross   ledger.Cross   // updates that the sites measure, each those of the others too
	Kills   []Kill
	Keep    int // models that each site keeps
}

// Site is a site of the mesh.
type Site struct {
	Name    string
	Trainer string // the value of config.yaml's trainer field, as YAML on one line
	Has     string // what it trains on, for the screen
}

// SiteName is the name of a site, from 0.
func SiteName(i int) string { return fmt.Sprintf("site-%d", i+1) }

// Validate says what is wrong with the configuration, if anything.
func (c *Config) Validate() error {
	if n := len(c.Sites); n < 1 || n > MaxSites {
		return fmt.Errorf("%d sites, want 1 to %d", n, MaxSites)
	}
	if c.Run.Rounds < 1 || c.Run.Rounds > 1000 {
		return fmt.Errorf("%d rounds, want 1 to 1000", c.Run.Rounds)
	}
	if c.Best != nil && !c.Measure {
		return fmt.Errorf("the best model by %s needs models that are measured", c.Best.Metric)
	}
	if c.Cross != "" && !c.Measure {
		return fmt.Errorf("sites whose trainers measure nothing do not measure updates")
	}
	down := map[uint64]map[int]bool{} // by round
	for _, k := range c.Kills {
		if err := k.validate(len(c.Sites), c.Run.Rounds); err != nil {
			return err
		}
		if down[k.Round] == nil {
			down[k.Round] = map[int]bool{}
		}
		down[k.Round][k.Site] = true
		if n := len(down[k.Round]); n > len(c.Sites)-quorum(len(c.Sites)) {
			return fmt.Errorf("%d sites are killed in round %d: with %d sites a quorum is %d, and the run could not go on", n, k.Round, len(c.Sites), quorum(len(c.Sites)))
		}
	}
	return nil
}

// quorum is how many of so many sites decide, as in the mesh that a try founds.
func quorum(sites int) int { return (sites+(sites-1)/3)/2 + 1 }

// Base is the file for the model that the run starts from.
func (c *Config) Base() string { return filepath.Join(c.Dir, "base.safetensors") }

// minSites is how many updates a round needs: all, unless sites are killed meanwhile, for the others are to go on.
func (c *Config) minSites() uint64 {
	if len(c.Kills) > 0 {
		return 0
	}
	return uint64(len(c.Sites))
}
