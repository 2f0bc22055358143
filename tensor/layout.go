package tensor

import (
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/weft-mesh/weft/block"
)

// Tensor is what a layout says of one tensor.
type Tensor struct {
	Name  string   `cbor:"name" json:"name"`
	DType DType    `cbor:"dtype" json:"dtype"`
	Shape []uint64 `cbor:"shape" json:"shape"` // dimensions, row-major; none for a scalar
}

// Elements returns the number of elements: the product of the dimensions.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes returns the size of the tensor's data.
func (t Tensor) Bytes() uint64 { return t.Elements() * uint64(t.DType.Size()) }

// Layout is the names, types and shapes of tensors in their order. It is a
// dag-cbor block, so equal layouts have equal CIDs.
type Layout struct {
	Tensors []Tensor `cbor:"tensors" json:"tensors"` // names strictly ascending, as bytes
}

// Block returns the layout as a block.
func (l Layout) Block() block.Block { return block.Of(l) }

// DecodeLayout reads and validates a layout's block.
func DecodeLayout(data []byte) (Layout, error) {
	var l Layout
	if err := block.Decode(data, &l); err != nil {
		return Layout{}, fmt.Errorf("layout: %w", err)
	}
	return l, l.Validate()
}

// Elements returns the number of elements of all tensors.
func (l Layout) Elements() (n uint64) {
	for _, t := range l.Tensors {
		n += t.Elements()
	}
	return n
}

// Bytes returns the size of all tensors' data.
func (l Layout) Bytes() (n uint64) {
	for _, t := range l.Tensors {
		n += t.Bytes()
	}
	return n
}

// Wide returns the layout with the same tensors in F32, and whether it is another.
func (l Layout) Wide() (wide Layout, other bool) {
	wide.Tensors = slices.Clone(l.Tensors)
	for i := range wide.Tensors {
		other = other || wide.Tensors[i].DType != F32
		wide.Tensors[i].DType = F32
	}
	return wide, other
}

// widest returns the size of the widest element, in bytes.
func (l Layout) widest() (size int) {
	for _, t := range l.Tensors {
		size = max(size, t.DType.Size())
	}
	return size
}

// Validate returns ErrInvalid, naming the tensor, unless the layout keeps the rules: names
// ascending, known types, at least one element, and all limits.
func (l Layout) Validate() error {
	if len(l.Tensors) > MaxTensors {
		return fmt.Errorf("layout: %w: %d, at most %d", ErrTooMany, len(l.Tensors), MaxTensors)
	}
	var total uint64
	for i, t := range l.Tensors {
		if err := t.validate(); err != nil {
			return err
		}
		if i > 0 && l.Tensors[i-1].Name >= t.Name {
			return fmt.Errorf("layout: %w: tensor %q after %q; names must ascend", ErrInvalid, t.Name, l.Tensors[i-1].Name)
		}
		if total += t.Bytes(); total > MaxBytes {
			return fmt.Errorf("layout: %w: more than %d bytes up to tensor %q", ErrInvalid, uint64(MaxBytes), t.Name)
		}
	}
	if total == 0 {
		return fmt.Errorf("layout: %w: no elements", ErrInvalid)
	}
	if n := len(block.Encode(l)); n > block.MaxSize {
		return fmt.Errorf("layout: %w: the names and shapes of its %d take %d bytes, at most %d", ErrTooMany, len(l.Tensors), n, block.MaxSize)
	}
	return nil
}

func (t Tensor) validate() error {
	switch {
	case t.Name == "" || len(t.Name) > MaxName || !utf8.ValidString(t.Name):
		return fmt.Errorf("layout: %w: tensor name %.40q; 1 to %d bytes of UTF-8", ErrInvalid, t.Name, MaxName)
	case t.Name == metadataKey:
		return fmt.Errorf("layout: %w: tensor name %q is reserved by safetensors", ErrInvalid, t.Name)
	case !t.DType.Valid():
		return fmt.Errorf("tensor %q: %w: dtype %.20q; weft stores F32, F16 and BF16, and whole numbers and truth values", t.Name, ErrInvalid, t.DType)
	case len(t.Shape) > MaxRank:
		return fmt.Errorf("tensor %q: %w: %d dimensions, at most %d", t.Name, ErrInvalid, len(t.Shape), MaxRank)
	}
	n := uint64(1)
	for _, d := range t.Shape {
		high, low := bits.Mul64(n, d)
		// A later dimension of zero does not excuse it: a reader that multiplies in order would overflow.
		if high != 0 || low > MaxBytes {
			return fmt.Errorf("tensor %q: %w: shape %v is beyond %d bytes", t.Name, ErrInvalid, t.Shape, uint64(MaxBytes))
		}
		n = low
	}
	return nil
}

// CheckWeights returns ErrInvalid, naming the tensor, unless all tensors are weights, which can be averaged.
func (l Layout) CheckWeights() error {
	for _, t := range l.Tensors {
		if !t.DType.Weight() {
			return fmt.Errorf("tensor %q: %w: dtype %s, and weights are F32, F16 or BF16", t.Name, ErrInvalid, t.DType)
		}
	}
	return nil
}

// Difference says for a person where the layout departs from want, "" if it does not.
func (l Layout) Difference(want Layout) string {
	for i, t := range l.Tensors {
		if i >= len(want.Tensors) || t.Name < want.Tensors[i].Name {
			return fmt.Sprintf("tensor %q is not in it", t.Name)
		}
		w := want.Tensors[i]
		switch {
		case t.Name > w.Name:
			return fmt.Sprintf("tensor %q is missing", w.Name)
		case t.DType != w.DType:
			return fmt.Sprintf("tensor %q is %s, not %s", t.Name, t.DType, w.DType)
		case !slices.Equal(t.Shape, w.Shape):
			return fmt.Sprintf("tensor %q has shape %v, not %v", t.Name, t.Shape, w.Shape)
		}
	}
	if len(want.Tensors) > len(l.Tensors) {
		return fmt.Sprintf("tensor %q is missing", want.Tensors[len(l.Tensors)].Name)
	}
	return ""
}
