package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weft-mesh/weft/tensor"
)

// ErrLocal is returned for patterns of local tensors that do not fit a checkpoint. The error names the pattern.
var ErrLocal = errors.New("tensors that stay at each site")

// SetLocal has Split put what the patterns choose among the constants: each site has its own of these tensors, and a run none.
// Each pattern chooses some, of a tied weight all names, and together they leave weights for the run.
func (c *Checkpoint) SetLocal(patterns tensor.Patterns) error {
	c.local = patterns
	for _, p := range patterns {
		if !slices.ContainsFunc(c.names(), tensor.Patterns{p}.Match) {
			return fmt.Errorf("%w: %q is no pattern of a name in %s; its tensors are %s", ErrLocal, p, c.Path(), c.some())
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(c.aliases)) {
		if name := c.aliases[alias]; patterns.Match(alias) != patterns.Match(name) {
			return fmt.Errorf("%w: %q and %q are one tied weight, and the patterns choose one of the names: choose both or neither", ErrLocal, name, alias)
		}
	}
	if len(patterns) > 0 && !slices.ContainsFunc(c.tensors, c.common) {
		return fmt.Errorf("%w: %q leave no weights that the sites have in common", ErrLocal, []string(patterns))
	}
	return nil
}

// common reports whether a tensor is of the weights that a run averages.
func (c *Checkpoint) common(t placed) bool {
	return (t.DType.Weight() || t.DType == tensor.F64) && !c.local.Match(t.Name)
}

// localNames returns the names of the tensors that stay at each site.
func (c *Checkpoint) localNames() (names []string) {
	for _, t := range c.tensors {
		if c.local.Match(t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

// names returns all names of all tensors.
func (c *Checkpoint) names() []string {
	names := slices.Sorted(maps.Keys(c.aliases))
	for _, t := range c.tensors {
		names = append(names, t.Name)
	}
	return names
}

// some names the first tensors for a person.
func (c *Checkpoint) some() string {
	text := ""
	for i, t := range c.tensors {
		switch {
		case i == 3:
			return text + fmt.Sprintf(" and %d more", len(c.tensors)-i)
		case i > 0:
			text += ", "
		}
		text += t.Name
	}
	return text
}
