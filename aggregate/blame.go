package aggregate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/weft-mesh/weft/tensor"
)

// errChanged is that pass met an element that is not finite. If none is there when all is read again, that is a reader's bug.
var errChanged = errors.New("an element that was not finite is finite when read again; a reader's bytes changed")

// blame returns the NotFiniteError of shard i, after pass has met an element without a
// finite value. The kernels do not look at each element: a NaN or an infinity stays in its
// accumulator to the end and shows in the quotient. Here all inputs are read again, from the
// first on, to tell whose it was.
func (w *meanWorker) blame(ctx context.Context, i int, segments []tensor.Segment, size int) error {
	for j := range w.inputs {
		if err := w.read(ctx, i, j, 1, size); err != nil {
			return err
		}
		if e := w.notFinite(segments, w.inputs[j].Base != nil); e >= 0 {
			return &NotFiniteError{Input: j, Shard: i, Element: uint64(e)}
		}
	}
	return fmt.Errorf("shard %d: %w", i, errChanged)
}

// notFinite returns the first element of the input in w.in that has no finite value, or -1.
func (w *meanWorker) notFinite(segments []tensor.Segment, late bool) (element int) {
	offset := 0
	for _, s := range segments {
		for range s.Elements {
			v := tensor.DecodeOne(w.in[0].data[offset:], s.DType)
			if late {
				v = carry(float32(v), float32(tensor.DecodeOne(w.in[1].data[offset:], s.DType)), float32(tensor.DecodeOne(w.in[2].data[offset:], s.DType)))
			}
			if !(math.Abs(v) <= largest(s.DType)) {
				return element
			}
			element, offset = element+1, offset+s.DType.Size()
		}
	}
	return -1
}
