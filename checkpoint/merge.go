package checkpoint

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/weft-mesh/weft/tensor"
)

// MergedSize returns the size of the file that Merge writes.
func MergedSize(weights, constants tensor.Layout, aliases map[string]string) (int64, error) {
	l, _, err := union(weights, constants)
	return int64(len(l.HeaderWithAliases(aliases))) + int64(l.Bytes()), err
}

// Merge writes the weights and the constants of a model, two safetensors files in canonical form, as one. There may be no
// constants.
func Merge(w io.Writer, weights, constants io.Reader, aliases map[string]string) error {
	a, err := canonical(weights)
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	var b tensor.Layout
	if constants != nil {
		if b, err = canonical(constants); err != nil {
			return fmt.Errorf("constants: %w", err)
		}
	}
	l, constant, err := union(a, b)
	if err != nil {
		return err
	}
	if _, err := w.Write(l.HeaderWithAliases(aliases)); err != nil {
		return err
	}
	for _, t := range l.Tensors {
		from := weights
		if constant[t.Name] {
			from = constants
		}
		if _, err := io.CopyN(w, from, int64(t.Bytes())); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// canonical reads the header of a file whose data follows in the order of the names.
func canonical(r io.Reader) (tensor.Layout, error) {
	h, err := tensor.ReadHeaderFrom(r)
	if err != nil {
		return tensor.Layout{}, err
	}
	if !h.Canonical() {
		return tensor.Layout{}, fmt.Errorf("%w: its tensors are not in the order of their names", tensor.ErrSafetensors)
	}
	return h.Layout()
}

// union returns the tensors of two layouts in the order of their names, and the names of the second. A name that both have is
// an error: such constants are a lying opener's.
func union(weights, constants tensor.Layout) (l tensor.Layout, constant map[string]bool, err error) {
	constant = map[string]bool{}
	for _, t := range constants.Tensors {
		constant[t.Name] = true
	}
	l.Tensors = slices.Concat(weights.Tensors, constants.Tensors)
	slices.SortFunc(l.Tensors, func(a, b tensor.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	return l, constant, l.Validate()
}
