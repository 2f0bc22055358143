package aggregate

import "context"

// ReduceWorkers is Reduce with a number of workers.
var ReduceWorkers = reduce

// FedAvgWorkers is the weighted mean, with a number of workers.
func FedAvgWorkers(ctx context.Context, shape Shape, base ShardReader, inputs []Input, write func(i int, data []byte) error, progress func(done int), workers int) error {
	job := Job{Shape: shape, Base: base, Inputs: inputs}
	if progress != nil {
		job.Progress = func(done, _ int) { progress(done) }
	}
	_, err := reduce(ctx, job, Sink{Model: write}, workers)
	return err
}

// Squares returns what a Judge is told of the inputs: the squares of their changes' lengths.
func Squares(ctx context.Context, job Job, workers int) ([]float64, error) {
	g, err := measure(ctx, job, workers, func(int) {})
	return g.squares, err
}
