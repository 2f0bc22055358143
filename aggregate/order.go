package aggregate

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// shardWorker goes through shards one at a time, in memory that it keeps from each to the next.
type shardWorker interface {
	// compute computes shard i; it is called on several workers at once.
	compute(ctx context.Context, i int) error
	// deliver hands over what came of shard i, which was the last one computed. It is called in the order of shards, on no two
	// workers at once.
	deliver(i int) error
}

// inOrder goes through all shards with several workers, which start makes. They take the shards in turn, and a token goes
// round among them: the one that holds it may deliver. So shards are delivered in order, and the first error in that order is
// the one that is returned. After each it calls after.
func inOrder(ctx context.Context, shards, workers int, after func(i int), start func() shardWorker) error {
	turn := make([]chan struct{}, workers)
	for k := range turn {
		turn[k] = make(chan struct{}, 1)
	}
	turn[0] <- struct{}{}
	g, ctx := errgroup.WithContext(ctx)
	for k := range workers {
		w := start()
		g.Go(func() error {
			for i := k; i < shards; i += workers {
				err := w.compute(ctx, i)
				select {
				case <-turn[k]:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if err == nil {
					err = w.deliver(i)
				}
				if err != nil {
					return fmt.Errorf("aggregate: %w", err)
				}
				after(i)
				turn[(k+1)%workers] <- struct{}{}
			}
			return nil
		})
	}
	return g.Wait()
}

// buffer is a shard in memory: a reader's own, or a copy in memory that is kept.
type buffer struct{ data, kept []byte }

// read reads shard i, which has size bytes.
func (b *buffer) read(ctx context.Context, r ShardReader, i, size int) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.kept = grow(b.kept, size)
	if b.data, err = r.ReadShard(i, b.kept); err != nil {
		return err
	}
	if len(b.data) != size {
		return fmt.Errorf("%w: %d bytes, want %d", ErrShape, len(b.data), size)
	}
	return nil
}

// grow returns s with length n; its elements are unspecified.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return make([]T, n)
}
