package aggregate

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/tensor"
)

// ShardReader gives the shards of an artifact.
type ShardReader interface {
	// ReadShard returns the bytes of shard i, verified. It may fill buf, which has the
	// shard's length, and return it, or return memory of its own that nobody writes to. It
	// is called from several goroutines at once.
	ReadShard(i int, buf []byte) ([]byte, error)
}

// Input is one sealed update.
type Input struct {
	// Weight of the update; 0 < sum of all weights < 2^53.
	Weight uint64
	// Update is the trained parameters.
	Update ShardReader
	// Base is nil for an update trained from the round's base; for a late update it is the
	// base that one was trained from.
	Base ShardReader
}

// Shape is how a model is cut into shards: the same for base, updates and new model.
type Shape struct {
	// Shards is their number.
	Shards int
	// Segments returns the types of shard i's elements, in order. It is called from several
	// goroutines at once.
	Segments func(i int) []tensor.Segment
}

// ShapeOf returns the shape of an artifact, or of a [tensor.Cut].
func ShapeOf(cut interface {
	Len() int
	Shard(i int) tensor.Shard
}) Shape {
	return Shape{Shards: cut.Len(), Segments: func(i int) []tensor.Segment { return cut.Shard(i).Segments }}
}

// FedAvg computes the weighted mean of inputs, which are in seal order, shard by shard, as
// the package documentation defines it. base is the round's base; it is read for late
// updates only and may be nil if there are none.
//
// It calls write with the bytes of each shard of the new model, in the order of shards and
// never twice at once; data is valid during the call only. After each it calls progress
// (which may be nil) with the number of shards written. On an error the shards before the
// one at fault have been written.
//
// Errors are ErrInputs, ErrShape, a NotFiniteError, those of readers and write, and ctx's.
func FedAvg(ctx context.Context, shape Shape, base ShardReader, inputs []Input, write func(i int, data []byte) error, progress func(done int)) error {
	return fedAvg(ctx, shape, base, inputs, write, progress, min(maxWorkers, runtime.GOMAXPROCS(0)))
}

// fedAvg is FedAvg with a number of workers. They take the shards in turn, and a token goes
// round among them: who holds it may write. So shards are written in order, and the first
// error in that order is the one that is returned.
func fedAvg(ctx context.Context, shape Shape, base ShardReader, inputs []Input, write func(int, []byte) error, progress func(int), workers int) error {
	total, err := check(shape, base, inputs)
	if err != nil {
		return fmt.Errorf("aggregate: %w", err)
	}
	turn := make([]chan struct{}, workers)
	for k := range turn {
		turn[k] = make(chan struct{}, 1)
	}
	turn[0] <- struct{}{}
	g, ctx := errgroup.WithContext(ctx)
	for k := range workers {
		g.Go(func() error {
			w := worker{shape: shape, base: base, inputs: inputs, total: float64(total)}
			for i := k; i < shape.Shards; i += workers {
				data, err := w.shard(ctx, i)
				select {
				case <-turn[k]:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if err != nil {
					return fmt.Errorf("aggregate: %w", err)
				}
				if err := write(i, data); err != nil {
					return fmt.Errorf("aggregate: write shard %d: %w", i, err)
				}
				if progress != nil {
					progress(i + 1)
				}
				turn[(k+1)%workers] <- struct{}{}
			}
			return nil
		})
	}
	return g.Wait()
}

// check returns the sum of the weights.
func check(shape Shape, base ShardReader, inputs []Input) (total uint64, err error) {
	if shape.Shards <= 0 || shape.Segments == nil {
		return 0, fmt.Errorf("%w: a model of %d shards", ErrShape, shape.Shards)
	}
	if len(inputs) > MaxInputs {
		return 0, fmt.Errorf("%w: %d of them, at most %d", ErrInputs, len(inputs), MaxInputs)
	}
	for j, in := range inputs {
		switch {
		case in.Update == nil:
			return 0, fmt.Errorf("%w: input %d has no update", ErrInputs, j)
		case in.Base != nil && base == nil:
			return 0, fmt.Errorf("%w: input %d is late, so the round's base is needed", ErrInputs, j)
		case in.Weight > maxWeight-total:
			return 0, fmt.Errorf("%w: weights sum to 2^53 or more at input %d; cap them per site", ErrInputs, j)
		}
		total += in.Weight
	}
	if total == 0 {
		return 0, fmt.Errorf("%w: none has a weight", ErrInputs)
	}
	return total, nil
}

// extent returns the segments of shard i, and its size in elements and bytes.
func (s Shape) extent(i int) (segments []tensor.Segment, elements, size int, err error) {
	segments = s.Segments(i)
	for _, seg := range segments {
		if !seg.DType.Valid() {
			return nil, 0, 0, fmt.Errorf("shard %d: %w: elements of type %.20q", i, ErrShape, seg.DType)
		}
		if seg.Elements > uint64((tensor.MaxShardBytes-size)/seg.DType.Size()) {
			return nil, 0, 0, fmt.Errorf("shard %d: %w: more than %d bytes", i, ErrShape, tensor.MaxShardBytes)
		}
		elements += int(seg.Elements)
		size += int(seg.Elements) * seg.DType.Size()
	}
	if elements == 0 {
		return nil, 0, 0, fmt.Errorf("shard %d: %w: no elements", i, ErrShape)
	}
	return segments, elements, size, nil
}
