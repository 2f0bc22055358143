package sim

import (
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/ledger"
)

// shares holds that in a first seal as many sites as may lie, but for half of those that are in it, have at most half of the weight,
// whatever samples they state.
func (c *checker) shares(s *site, seal *ledger.Seal) {
	if c.w.cfg.Protocol < ledger.BoundsProtocol || seal.Number > 0 {
		return
	}
	var weights []uint64
	for i := range seal.Updates {
		weights = append(weights, seal.Updates[i].Weight)
	}
	slices.Sort(weights)
	rest := len(weights) - min(max(1, c.faulty(len(c.members))), len(weights)/2)
	var light, heavy uint64
	for i, w := range weights {
		if i < rest {
			light += w
		} else {
			heavy += w
		}
	}
	if heavy > light {
		c.w.fail(s.i, PromiseShare, fmt.Sprintf("round %d: of the weights %v the %d heaviest are more than half", seal.Round, weights, len(weights)-rest))
	}
}
