package aggregate

import (
	"context"
	"fmt"

	"github.com/weft-mesh/weft/tensor"
)

// combine makes the model and the state of the changes and their coefficients.
func combine(ctx context.Context, job Job, coef []float64, to Sink, workers int, after func(i int)) error {
	_, sum := job.Strategy.rule.(weightedSum)
	if !sum {
		if _, elements, _, err := job.Shape.extent(0); err == nil { // all shards but the last have as many
			workers = max(1, min(workers, maxAtOnce/(4*elements*len(job.Inputs))))
		}
	}
	return inOrder(ctx, job.Shape.Shards, workers, after, func() shardWorker {
		return newCombineWorker(job, coef, sum, to)
	})
}

// combineWorker computes shards of the model and the state from changes.
type combineWorker struct {
	reading
	rule  Rule
	outer Outer
	coef  []float64
	sum   bool // the rule is a weighted sum: inputs are added in groups
	most  int  // elements of a tile
	to    Sink

	in    []buffer    // the updates that are worked on
	x     [][]float64 // a tile of their changes, unless these are added at once
	acc   []float64   // the combined change: of the shard if there are several groups, else of a tile
	slots []slot
	step  Step
	out   []byte
}

func newCombineWorker(job Job, coef []float64, sum bool, to Sink) *combineWorker {
	n := len(job.Inputs)
	atOnce, changes, most := n, n, max(16, min(tile, maxTiles/n))
	if sum {
		atOnce, changes, most = min(group, n), 0, tile
	}
	w := &combineWorker{
		reading: reading{shape: job.Shape, base: job.Base, inputs: job.Inputs},
		rule:    job.Strategy.rule, outer: job.Strategy.outer, coef: coef, sum: sum, most: most, to: to,
		in: make([]buffer, atOnce), x: make([][]float64, changes),
		step: Step{Round: job.Round, Base: make([]float64, most), Out: make([]float64, most)},
	}
	for k := range w.x {
		w.x[k] = make([]float64, most)
	}
	for _, name := range job.Strategy.Slots() {
		w.slots = append(w.slots, slot{name: name, before: job.State[name]})
		w.step.State = append(w.step.State, make([]float64, most))
	}
	return w
}

// compute implements shardWorker.
func (w *combineWorker) compute(ctx context.Context, i int) error {
	segments, elements, size, err := w.readBase(ctx, i)
	if err != nil {
		return err
	}
	if err := w.readState(ctx, i, elements); err != nil {
		return err
	}
	w.out = grow(w.out, size)
	if len(w.in) == len(w.inputs) {
		elements = min(elements, w.most) // each tile is finished before the next is begun
	}
	w.acc = grow(w.acc, elements)
	for at := 0; at < len(w.inputs); at += len(w.in) {
		n := min(len(w.in), len(w.inputs)-at)
		for k := range n {
			if err := w.readInput(ctx, &w.in[k], i, at+k, size); err != nil {
				return err
			}
		}
		if err := w.pass(segments, i, at, n); err != nil {
			return w.blame(ctx, i, segments, size, err)
		}
	}
	return nil
}

// readState reads shard i of the slots.
func (w *combineWorker) readState(ctx context.Context, i, elements int) error {
	if len(w.slots) > 0 && 4*elements > tensor.MaxShardBytes {
		return fmt.Errorf("shard %d: %w: %d elements of state are more than %d bytes", i, ErrShape, elements, tensor.MaxShardBytes)
	}
	for k := range w.slots {
		if err := w.slots[k].read(ctx, i, elements); err != nil {
			return err
		}
	}
	return nil
}

// pass combines the n inputs from at on, whose shards are in w.in, tile by tile, and after the last of them takes the outer step.
// It returns errChanged if a change is not finite.
func (w *combineWorker) pass(segments []tensor.Segment, i, at, n int) error {
	for s := range spans(segments, w.most) {
		acc := w.acc[:s.n]
		if len(w.in) < len(w.inputs) {
			acc = w.acc[s.first : s.first+s.n]
		}
		if !w.combineTile(acc, s, at, n) {
			return errChanged
		}
		if at+n < len(w.inputs) {
			continue
		}
		if err := w.finish(acc, s, i); err != nil {
			return err
		}
	}
	return nil
}

// combineTile combines a tile of the n inputs from at on.
func (w *combineWorker) combineTile(acc []float64, s span, at, n int) bool {
	if w.sum {
		if at == 0 {
			clear(acc)
		}
		for k := range n {
			if u, base := w.tiles(w.in[k].data, s); !addChangeOf(acc, w.coef[at+k], u, base) {
				return false
			}
		}
		return true
	}
	for k := range n {
		w.x[k] = w.x[k][:s.n]
		if !w.change(w.x[k], w.in[k].data, s) {
			return false
		}
	}
	w.rule.Combine(acc, w.x, w.coef)
	return true
}

// finish takes the outer step for a tile, and rounds what comes out.
func (w *combineWorker) finish(change []float64, s span, i int) error {
	step := w.step // of this tile's size
	step.Base, step.Out, step.Change = step.Base[:s.n], step.Out[:s.n], change
	widen(step.Base, floats(&w.xBase, w.from.data[s.from:s.to], s.dtype))
	for k := range w.slots {
		step.State[k] = step.State[k][:s.n]
		w.slots[k].load(step.State[k], s)
	}
	w.outer.Step(&step)
	if e := tensor.Encode(w.out[s.from:s.to], step.Out, s.dtype); e >= 0 {
		return &OverflowError{What: "the model", Shard: i, Element: uint64(s.first + e)}
	}
	for k := range w.slots {
		if e := w.slots[k].store(step.State[k], s); e >= 0 {
			return &OverflowError{What: "state " + w.slots[k].name, Shard: i, Element: uint64(s.first + e)}
		}
	}
	return nil
}

// deliver implements shardWorker.
func (w *combineWorker) deliver(i int) error {
	if err := w.to.Model(i, w.out); err != nil {
		return fmt.Errorf("write shard %d: %w", i, err)
	}
	for _, s := range w.slots {
		if err := w.to.State(s.name, i, s.out); err != nil {
			return fmt.Errorf("write shard %d of state %s: %w", i, s.name, err)
		}
	}
	return nil
}
