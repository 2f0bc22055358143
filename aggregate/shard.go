package aggregate

import (
	"context"
	"fmt"

	"github.com/weft-mesh/weft/tensor"
)

// worker computes one shard after another, in memory that it keeps from each to the next.
type worker struct {
	shape  Shape
	base   ShardReader
	inputs []Input
	total  float64

	in  [group][]byte // the shards that are worked on: a group of updates, or a late update, its base, the round's
	buf [group][]byte // memory for readers to fill; in may be theirs instead
	out []byte
	acc []float64
	x   [3][tile]float32 // where elements are decoded to that cannot be read in place
}

// shard computes shard i. What it returns is valid until the next call.
func (w *worker) shard(ctx context.Context, i int) ([]byte, error) {
	segments, elements, size, err := w.shape.extent(i)
	if err != nil {
		return nil, err
	}
	if w.groupAt(0) == len(w.inputs) {
		elements = min(elements, tile) // each tile is finished before the next is begun
	}
	w.acc, w.out = grow(w.acc, elements), grow(w.out, size)
	for at, n := 0, 0; at < len(w.inputs); at += n {
		n = w.groupAt(at)
		if err := w.read(ctx, i, at, n, size); err != nil {
			return nil, err
		}
		if !w.pass(segments, at, n) {
			return nil, w.blame(ctx, i, segments, size)
		}
	}
	return w.out, nil
}

// groupAt returns how many inputs from at on are read together: one if it is late.
func (w *worker) groupAt(at int) (n int) {
	if w.inputs[at].Base != nil {
		return 1
	}
	for n < group && at+n < len(w.inputs) && w.inputs[at+n].Base == nil {
		n++
	}
	return n
}

// read fills w.in with shard i of the n inputs from at on, a late one's followed by the bases'.
func (w *worker) read(ctx context.Context, i, at, n, size int) error {
	for k := range n {
		if err := w.readInto(ctx, k, w.inputs[at+k].Update, i, size); err != nil {
			return fmt.Errorf("input %d, shard %d: %w", at+k, i, err)
		}
	}
	if w.inputs[at].Base == nil {
		return nil
	}
	if err := w.readInto(ctx, 1, w.inputs[at].Base, i, size); err != nil {
		return fmt.Errorf("own base of input %d, shard %d: %w", at, i, err)
	}
	if err := w.readInto(ctx, 2, w.base, i, size); err != nil {
		return fmt.Errorf("base, shard %d: %w", i, err)
	}
	return nil
}

func (w *worker) readInto(ctx context.Context, k int, r ShardReader, i, size int) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.buf[k] = grow(w.buf[k], size)
	if w.in[k], err = r.ReadShard(i, w.buf[k]); err != nil {
		return err
	}
	if len(w.in[k]) != size {
		return fmt.Errorf("%w: %d bytes, want %d", ErrShape, len(w.in[k]), size)
	}
	return nil
}

// pass adds the n inputs from at on, whose shards are in w.in, to the accumulators, tile by
// tile; with the first group it clears them, with the last it finishes them into w.out. It
// returns false if an element has no finite value.
func (w *worker) pass(segments []tensor.Segment, at, n int) bool {
	first, last := at == 0, at+n == len(w.inputs)
	element, offset := 0, 0
	for _, s := range segments {
		for left := int(s.Elements); left > 0; {
			acc := w.acc
			if !first || !last {
				acc = acc[element:]
			}
			acc = acc[:min(left, tile)]
			end := offset + len(acc)*s.DType.Size()
			if first {
				clear(acc)
			}
			if !w.add(acc, at, n, offset, end, s.DType) {
				return false
			}
			if last && !finish(w.out[offset:end], acc, w.total, s.DType) {
				return false
			}
			element, offset, left = element+len(acc), end, left-len(acc)
		}
	}
	return true
}

// add adds a tile of the n inputs from at on: their bytes from offset to end, of type d.
func (w *worker) add(acc []float64, at, n, offset, end int, d tensor.DType) bool {
	view := func(k, into int) []float32 { return floats(&w.x[into], w.in[k][offset:end], d) }
	inputs := w.inputs[at : at+n]
	if inputs[0].Base != nil {
		return addLate(acc, float64(inputs[0].Weight), view(0, 0), view(1, 1), view(2, 2), largest(d))
	}
	k := 0
	for ; k+2 <= n; k += 2 {
		add2(acc, float64(inputs[k].Weight), float64(inputs[k+1].Weight), view(k, 0), view(k+1, 1))
	}
	if k < n {
		add1(acc, float64(inputs[k].Weight), view(k, 0))
	}
	return true
}

// grow returns s with length n; its elements are unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
