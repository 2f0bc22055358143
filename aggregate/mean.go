package aggregate

import (
	"context"
	"fmt"

	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/tensor/kernel"
)

// meanWorker computes the weighted mean of parameters.
type meanWorker struct {
	shape  Shape
	base   ShardReader
	inputs []Input
	total  float64
	write  func(i int, data []byte) error

	kernel   kernel.Kernel
	elements [group][]byte // what it is given
	weights  [group]float64

	in  [group]buffer // the shards that are worked on: a group of updates, or a late update, its base, the round's
	out []byte
	acc []float64
	x   [3][tile]float32 // where elements are decoded to that cannot be read in place
}

// compute implements shardWorker.
func (w *meanWorker) compute(ctx context.Context, i int) error {
	segments, elements, size, err := w.shape.extent(i)
	if err != nil {
		return err
	}
	if w.groupAt(0) == len(w.inputs) {
		elements = min(elements, tile) // each tile is finished before the next is begun
	}
	w.acc, w.out = grow(w.acc, elements), grow(w.out, size)
	for at, n := 0, 0; at < len(w.inputs); at += n {
		n = w.groupAt(at)
		if err := w.read(ctx, i, at, n, size); err != nil {
			return err
		}
		if !w.pass(segments, at, n) {
			return w.blame(ctx, i, segments, size)
		}
	}
	return nil
}

// deliver implements shardWorker.
func (w *meanWorker) deliver(i int) error {
	if err := w.write(i, w.out); err != nil {
		return fmt.Errorf("write shard %d: %w", i, err)
	}
	return nil
}

// groupAt returns how many inputs from at on are read together: one if it is late.
func (w *meanWorker) groupAt(at int) (n int) {
	if w.inputs[at].Base != nil {
		return 1
	}
	for n < group && at+n < len(w.inputs) && w.inputs[at+n].Base == nil {
		n++
	}
	return n
}

// read fills w.in with shard i of the n inputs from at on, a late one's followed by the bases'.
func (w *meanWorker) read(ctx context.Context, i, at, n, size int) error {
	for k := range n {
		if err := w.in[k].read(ctx, w.inputs[at+k].Update, i, size); err != nil {
			return fmt.Errorf("input %d, shard %d: %w", at+k, i, err)
		}
	}
	if w.inputs[at].Base == nil {
		return nil
	}
	if err := w.in[1].read(ctx, w.inputs[at].Base, i, size); err != nil {
		return fmt.Errorf("own base of input %d, shard %d: %w", at, i, err)
	}
	if err := w.in[2].read(ctx, w.base, i, size); err != nil {
		return fmt.Errorf("base, shard %d: %w", i, err)
	}
	return nil
}

// pass adds the n inputs from at on, whose shards are in w.in, to the accumulators; with the first group it clears them, with the
// last it finishes them into w.out. It returns false if an element has no finite value.
func (w *meanWorker) pass(segments []tensor.Segment, at, n int) bool {
	element, offset := 0, 0
	for _, s := range segments {
		size := s.DType.Size()
		done, finite := w.vector(at, n, element, offset, int(s.Elements), s.DType)
		if !finite || !w.tiles(at, n, element+done, offset+done*size, int(s.Elements)-done, s.DType) {
			return false
		}
		element, offset = element+int(s.Elements), offset+int(s.Elements)*size
	}
	return true
}

// vector is pass for the first done of so many elements, from element and byte offset on, which there is vector code for.
func (w *meanWorker) vector(at, n, element, offset, elements int, d tensor.DType) (done int, finite bool) {
	if w.inputs[at].Base != nil {
		return 0, true // none for late inputs
	}
	end := offset + elements*d.Size()
	for k := range n {
		w.elements[k], w.weights[k] = w.in[k].data[offset:end], float64(w.inputs[at+k].Weight)
	}
	var out []byte
	if at+n == len(w.inputs) {
		out = w.out[offset:end]
	}
	var acc []float64
	if n < len(w.inputs) {
		acc = w.acc[element : element+elements]
	}
	return w.kernel.Mean(d.Kernel(), out, acc, w.elements[:n], w.weights[:n], w.total, at == 0)
}

// tiles is pass for so many elements from element and byte offset on, tile by tile.
func (w *meanWorker) tiles(at, n, element, offset, elements int, d tensor.DType) bool {
	first, last := at == 0, at+n == len(w.inputs)
	for left := elements; left > 0; {
		acc := w.acc
		if !first || !last {
			acc = acc[element:]
		}
		acc = acc[:min(left, tile)]
		end := offset + len(acc)*d.Size()
		if first {
			clear(acc)
		}
		if !w.add(acc, at, n, offset, end, d) {
			return false
		}
		if last && !finish(w.out[offset:end], acc, w.total, d) {
			return false
		}
		element, offset, left = element+len(acc), end, left-len(acc)
	}
	return true
}

// add adds a tile of the n inputs from at on: their bytes from offset to end, of type d.
func (w *meanWorker) add(acc []float64, at, n, offset, end int, d tensor.DType) bool {
	view := func(k, into int) []float32 { return floats(&w.x[into], w.in[k].data[offset:end], d) }
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
