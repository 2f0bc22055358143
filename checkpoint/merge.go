package checkpoint

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/weft-mesh/weft/tensor"
)

// Leave says what of a model is not written.
type Leave struct {
	Local     tensor.Patterns // of the constants those that match: first values of tensors that each site has its own of
	Optimizer bool            // the state of optimizers
}

// MergedSize returns the size of the file that Merge writes.
func MergedSize(weights, constants tensor.Layout, metadata map[string]string, leave Leave) (int64, error) {
	u, err := union(weights, constants, leave)
	return int64(len(u.header(metadata))) + int64(u.kept.Bytes()), err
}

// Merge writes the weights and the constants of a model, two safetensors files in canonical form, as one. There may be no
// constants.
func Merge(w io.Writer, weights, constants io.Reader, metadata map[string]string, leave Leave) error {
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
	u, err := union(a, b, leave)
	if err != nil {
		return err
	}
	if _, err := w.Write(u.header(metadata)); err != nil {
		return err
	}
	for _, t := range u.all.Tensors {
		from, to := weights, w
		if u.constant[t.Name] {
			from = constants
		}
		if u.left[t.Name] {
			to = io.Discard
		}
		if _, err := io.CopyN(to, from, int64(t.Bytes())); err != nil {
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

// joined is the tensors of two layouts in the order of their names.
type joined struct {
	all, kept tensor.Layout
	constant  map[string]bool // names of the second's
	left      map[string]bool // names of those that are not kept
}

// union merges two layouts. A name that both have is an error: such constants are a lying opener's.
func union(weights, constants tensor.Layout, leave Leave) (u joined, err error) {
	u = joined{constant: map[string]bool{}, left: map[string]bool{}}
	for _, t := range constants.Tensors {
		u.constant[t.Name], u.left[t.Name] = true, leave.Local.Match(t.Name)
	}
	u.all.Tensors = slices.Concat(weights.Tensors, constants.Tensors)
	slices.SortFunc(u.all.Tensors, func(a, b tensor.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range u.all.Tensors {
		u.left[t.Name] = u.left[t.Name] || leave.Optimizer && IsOptimizer(t.Name)
		if !u.left[t.Name] {
			u.kept.Tensors = append(u.kept.Tensors, t)
		}
	}
	return u, u.all.Validate()
}

// header is that of the file, with the further names of what is kept.
func (u *joined) header(metadata map[string]string) []byte {
	kept := maps.Clone(metadata)
	maps.DeleteFunc(kept, func(_, name string) bool { return u.left[name] })
	return u.kept.HeaderWithAliases(kept)
}
