package llama

import (
	"errors"
	"fmt"
	"slices"
)

// ErrTensors is returned for parameters that do not fit: missing, unknown, of another
// shape, or not finite.
var ErrTensors = errors.New("parameters do not fit the model")

// copyTensors fills to from the equally named tensors of from.
func copyTensors(to, from []Tensor) error {
	byName := make(map[string]Tensor, len(from))
	for _, t := range from {
		byName[t.Name] = t
	}
	for _, t := range to {
		f, ok := byName[t.Name]
		switch {
		case !ok:
			return fmt.Errorf("%w: %s is missing", ErrTensors, t.Name)
		case !slices.Equal(f.Shape, t.Shape) || len(f.Data) != len(t.Data):
			return fmt.Errorf("%w: %s has shape %v, not %v", ErrTensors, t.Name, f.Shape, t.Shape)
		}
		for i, v := range f.Data {
			if v-v != 0 { // infinities and NaN
				return fmt.Errorf("%w: %s holds %v at element %d", ErrTensors, t.Name, v, i)
			}
		}
		copy(t.Data, f.Data)
	}
	if len(byName) != len(to) {
		for _, t := range to {
			delete(byName, t.Name)
		}
		for name := range byName {
			return fmt.Errorf("%w: %s is not one of them", ErrTensors, name)
		}
	}
	return nil
}
