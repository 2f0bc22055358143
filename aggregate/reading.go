package aggregate

import (
	"context"
	"fmt"

	"github.com/weft-mesh/weft/tensor"
)

// reading is how a worker gets the changes of a shard: the base's shard and one after another of the updates'.
type reading struct {
	shape  Shape
	base   ShardReader
	inputs []Input

	from         buffer // the base's shard
	xBase, xThis [tile]float32
}

// readBase reads the base's shard i.
func (r *reading) readBase(ctx context.Context, i int) (segments []tensor.Segment, elements, size int, err error) {
	segments, elements, size, err = r.shape.extent(i)
	if err != nil {
		return nil, 0, 0, err
	}
	if err := r.from.read(ctx, r.base, i, size); err != nil {
		return nil, 0, 0, fmt.Errorf("base, shard %d: %w", i, err)
	}
	for s := range spans(segments, tile) {
		if e := tensor.NonFinite(r.from.data[s.from:s.to], s.dtype); e >= 0 {
			return nil, 0, 0, fmt.Errorf("base, shard %d, element %d: %w", i, s.first+e, ErrNotFinite)
		}
	}
	return segments, elements, size, nil
}

// readInput reads shard i of input j into b.
func (r *reading) readInput(ctx context.Context, b *buffer, i, j, size int) error {
	if err := b.read(ctx, r.inputs[j].Update, i, size); err != nil {
		return fmt.Errorf("input %d, shard %d: %w", j, i, err)
	}
	return nil
}

// tiles returns a tile of an update, given its shard, and of the base.
func (r *reading) tiles(update []byte, s span) (u, base []float32) {
	return floats(&r.xThis, update[s.from:s.to], s.dtype), floats(&r.xBase, r.from.data[s.from:s.to], s.dtype)
}

// change sets x to a tile of what an update changed, given its shard. It returns false if an element is not finite.
func (r *reading) change(x []float64, update []byte, s span) bool {
	u, base := r.tiles(update, s)
	return changeOf(x, u, base)
}

// blame returns the NotFiniteError of shard i, whose base is read, or otherwise if no input is at fault. All inputs are read
// again, from the first on, so that every strategy blames the same one, and blames it before a step that overflowed.
func (r *reading) blame(ctx context.Context, i int, segments []tensor.Segment, size int, otherwise error) error {
	var b buffer
	var x [tile]float64
	for j := range r.inputs {
		if err := r.readInput(ctx, &b, i, j, size); err != nil {
			return err
		}
		for s := range spans(segments, tile) {
			if r.change(x[:s.n], b.data, s) {
				continue
			}
			for e := range s.n {
				if one := (span{s.dtype, s.first + e, 1, s.from + e*s.dtype.Size(), s.from + (e+1)*s.dtype.Size()}); !r.change(x[:1], b.data, one) {
					return &NotFiniteError{Input: j, Shard: i, Element: uint64(one.first)}
				}
			}
		}
	}
	return fmt.Errorf("shard %d: %w", i, otherwise)
}
