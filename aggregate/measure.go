package aggregate

import "context"

// measure goes through all inputs for what a Judge is to know of them as whole vectors.
func measure(ctx context.Context, job Job, workers int, after func(i int)) (*Gram, error) {
	g := &Gram{squares: make([]float64, len(job.Inputs))}
	err := inOrder(ctx, job.Shape.Shards, workers, after, func() shardWorker {
		return &measureWorker{reading: reading{shape: job.Shape, base: job.Base, inputs: job.Inputs}, total: g.squares}
	})
	return g, err
}

// measureWorker computes the squares of the changes' lengths: of each shard eight sums, which are added up in order, and then to
// those of the shards before.
type measureWorker struct {
	reading
	in    buffer
	x     [tile]float64
	shard []float64 // the shard's, of each input
	total []float64 // of the shards delivered so far; shared by all workers
}

// compute implements shardWorker.
func (w *measureWorker) compute(ctx context.Context, i int) error {
	segments, _, size, err := w.readBase(ctx, i)
	if err != nil {
		return err
	}
	w.shard = grow(w.shard, len(w.inputs))
	for j := range w.inputs {
		if err := w.readInput(ctx, &w.in, i, j, size); err != nil {
			return err
		}
		var sums [8]float64
		for s := range spans(segments, tile) {
			x := w.x[:s.n]
			if !w.change(x, w.in.data, s) {
				return w.blame(ctx, i, segments, size, errChanged)
			}
			addSquares(&sums, s.first, x)
		}
		w.shard[j] = total(sums)
	}
	return nil
}

// deliver implements shardWorker.
func (w *measureWorker) deliver(int) error {
	for j, square := range w.shard {
		w.total[j] += square
	}
	return nil
}
