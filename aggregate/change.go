package aggregate

import (
	"context"
	"math"
	"runtime"
)

// Change is an update beside its base, as whole vectors.
type Change struct {
	Norm     float64 // Euclidean, of what it changed; infinite where that leaves the range of float32
	Base     float64 // Euclidean, of the base
	Elements uint64
}

// Compare measures a finite update and its base. Both norms have the package's arithmetic for the length of a change, so every site
// gets the same bits.
func Compare(ctx context.Context, shape Shape, base, update ShardReader) (c Change, err error) {
	var squares, of float64
	err = inOrder(ctx, shape.Shards, min(maxWorkers, runtime.GOMAXPROCS(0)), func(int) {}, func() shardWorker {
		return &compareWorker{reading: reading{shape: shape, base: base, inputs: []Input{{Update: update}}}, change: &squares, of: &of, elements: &c.Elements}
	})
	c.Norm, c.Base = math.Sqrt(squares), math.Sqrt(of)
	return c, err
}

// Limit returns the norm that a change must not exceed: most, or if that is 0 a thousand times the norm of the base. A base that is
// nearly zero, with a norm below that of elements of 2^-10, tells nothing of the size of a model, which a linear one begins with:
// then a thousand times the norm of elements of 2^10. That prevents overflow and no more.
func (c Change) Limit(most float64) float64 {
	ones := math.Sqrt(float64(c.Elements)) // the norm of elements of 1
	switch {
	case most > 0:
		return most
	case c.Base < float64(0x1p-10*ones):
		return 1000 * float64(0x1p10*ones)
	}
	return 1000 * c.Base
}

// Check says whether a run takes the update, whose changes may have the norm most, or, if that is 0, what [Change.Limit] gives. It
// returns a [TooLongError] if not.
func (c Change) Check(most float64) error {
	if limit := c.Limit(most); !(c.Norm <= limit) {
		return &TooLongError{Norm: c.Norm, Limit: limit}
	}
	return nil
}

// compareWorker adds up the squares of a change and of its base.
type compareWorker struct {
	reading
	in buffer
	x  [tile]float64

	change, of *float64 // of the shards delivered so far; shared by all workers
	elements   *uint64
	squares    [2]float64 // the shard's
	n          int
}

// compute implements shardWorker.
func (w *compareWorker) compute(ctx context.Context, i int) error {
	segments, elements, size, err := w.readBase(ctx, i)
	if err != nil {
		return err
	}
	if err := w.readInput(ctx, &w.in, i, 0, size); err != nil {
		return err
	}
	w.n = elements
	var change, of [8]float64
	for s := range spans(segments, tile) {
		x := w.x[:s.n]
		if !w.reading.change(x, w.in.data, s) {
			change[0] = math.Inf(1)
		} else {
			addSquares(&change, s.first, x)
		}
		widen(x, floats(&w.xBase, w.from.data[s.from:s.to], s.dtype))
		addSquares(&of, s.first, x)
	}
	w.squares = [2]float64{total(change), total(of)}
	return nil
}

// total adds up the sums of a shard, in order.
func total(sums [8]float64) (t float64) {
	for _, s := range sums {
		t += s
	}
	return t
}

// deliver implements shardWorker.
func (w *compareWorker) deliver(int) error {
	*w.change += w.squares[0]
	*w.of += w.squares[1]
	*w.elements += uint64(w.n)
	return nil
}
