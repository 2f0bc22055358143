package aggregate

import (
	"context"
	"fmt"

	"github.com/weft-mesh/weft/tensor"
)

// slot is a slot of the state: a shard from before the round, and after it.
type slot struct {
	name    string
	before  ShardReader // nil if all is zero
	in      buffer
	out     []byte
	decoded [tile]float32
}

// read reads shard i, which has so many elements.
func (t *slot) read(ctx context.Context, i, elements int) error {
	t.out = grow(t.out, 4*elements)
	if t.before == nil {
		return nil
	}
	if err := t.in.read(ctx, t.before, i, 4*elements); err != nil {
		return fmt.Errorf("state %s, shard %d: %w", t.name, i, err)
	}
	if e := tensor.NonFinite(t.in.data, tensor.F32); e >= 0 {
		return fmt.Errorf("state %s, shard %d, element %d: %w", t.name, i, e, ErrNotFinite)
	}
	return nil
}

// load decodes a tile from before the round.
func (t *slot) load(dst []float64, s span) {
	if t.before == nil {
		clear(dst)
		return
	}
	widen(dst, floats(&t.decoded, t.in.data[4*s.first:4*(s.first+s.n)], tensor.F32))
}

// store rounds a tile from after the round. It returns the first element that is not finite, or -1.
func (t *slot) store(src []float64, s span) int {
	return tensor.Encode(t.out[4*s.first:4*(s.first+s.n)], src, tensor.F32)
}
