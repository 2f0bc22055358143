package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/tensor"
)

// Optimizer begins the names of tensors that are an optimizer's state, which a run averages with the weights if its scripts
// say so. Models that are written for others do not have them.
const Optimizer = "optimizer/"

// IsOptimizer reports whether a tensor of that name is of an optimizer's state.
func IsOptimizer(name string) bool { return strings.HasPrefix(name, Optimizer) }

// HasOptimizer reports whether a layout has an optimizer's state.
func HasOptimizer(l tensor.Layout) bool { return optimizerBytes(l) > 0 }

// OptimizerNote says for a person what an optimizer's state costs, empty if a layout has none.
func OptimizerNote(l tensor.Layout) string {
	state := optimizerBytes(l)
	if state == 0 {
		return ""
	}
	weights := l.Bytes() - state
	return fmt.Sprintf("the sites average the optimizer's state too: each update and model has %d bytes, %.1f times those of the weights", l.Bytes(), float64(l.Bytes())/float64(max(1, weights)))
}

func optimizerBytes(l tensor.Layout) (n uint64) {
	for _, t := range l.Tensors {
		if IsOptimizer(t.Name) {
			n += t.Bytes()
		}
	}
	return n
}

// localState adds to patterns of tensors that each site has its own of those of the state that optimizers have of these.
func (c *Checkpoint) localState(local tensor.Patterns) tensor.Patterns {
	all := slices.Clone(local)
	for _, p := range local {
		of := Optimizer + "*/" + p
		if !slices.Contains(all, of) && slices.ContainsFunc(c.names(), tensor.Patterns{of}.Match) {
			all = append(all, of)
		}
	}
	return all
}
