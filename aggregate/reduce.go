package aggregate

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/tensor/kernel"
)

// Job is what a round's next model is computed from.
type Job struct {
	// Strategy says how; the zero one is the weighted mean.
	Strategy Strategy
	// Round of the run, from 1.
	Round uint64
	// Shape is the model's.
	Shape Shape
	// Base is the round's base. It may be nil for a mean of parameters without late updates.
	Base ShardReader
	// State is what the round before left in each slot, in shards of as many elements as the model's, F32; nil in the first
	// round.
	State map[string]ShardReader
	// Inputs are the sealed updates, in seal order.
	Inputs []Input
	// Progress, which may be nil, is told how many shards of how many were gone through. A strategy that judges goes through all
	// of them twice.
	Progress func(done, all int)
}

// Sink takes what a reduction makes. Its functions are called in the order of shards, of one shard for the model first and then
// for each slot, and never two at once; data is valid during the call only.
type Sink struct {
	Model func(i int, data []byte) error
	// State may be nil if the strategy has no slots.
	State func(slot string, i int, data []byte) error
}

// Result is what is to be told of a reduction besides the model.
type Result struct {
	// Verdicts says of each input why it counted less than its weight, "" if it did not; nil if the rule does not judge.
	Verdicts []string
}

// Reduce computes a round's next model, and the state after it, shard by shard, as the package documentation defines it. On an
// error the shards before the one at fault have been written.
//
// Errors are ErrInputs, ErrShape, a NotFiniteError, an OverflowError, those of the rule, of readers and of the sink, and ctx's.
func Reduce(ctx context.Context, job Job, to Sink) (Result, error) {
	return reduce(ctx, job, to, min(maxWorkers, runtime.GOMAXPROCS(0)))
}

// reduce is Reduce with a number of workers.
func reduce(ctx context.Context, job Job, to Sink, workers int) (res Result, err error) {
	total, err := job.check(to)
	if err != nil {
		return res, fmt.Errorf("aggregate: %w", err)
	}
	if job.direct() {
		return res, inOrder(ctx, job.Shape.Shards, workers, job.told(0, 1), func() shardWorker {
			return &meanWorker{kernel: kernel.Best, shape: job.Shape, base: job.Base, inputs: job.Inputs, total: float64(total), write: to.Model}
		})
	}
	meta := make([]Meta, len(job.Inputs))
	for j, in := range job.Inputs {
		meta[j] = Meta{Weight: in.Weight, Steps: in.Steps}
	}
	judge, judges := job.Strategy.rule.(Judge)
	if !judges && !job.boxed() {
		return res, combine(ctx, job, shares(meta), to, workers, job.told(0, 1))
	}
	g, err := measure(ctx, job, workers, job.told(0, 2))
	if err != nil {
		return res, err
	}
	coef, verdicts := shares(meta), []string(nil)
	if judges {
		coef, verdicts, err = judge.Judge(g, meta)
	}
	if err == nil && (len(coef) != len(meta) || slices.ContainsFunc(coef, notFinite) || verdicts != nil && len(verdicts) != len(meta)) {
		err = fmt.Errorf("%w: the rule judged them by coefficients %v", ErrInputs, coef)
	}
	if err != nil {
		return res, fmt.Errorf("aggregate: %w", err)
	}
	if job.boxed() {
		counts, why := worked(meta, g)
		for i := range coef {
			coef[i] = float64(coef[i] * counts[i])
			if verdicts != nil && verdicts[i] != "" {
				why[i] = verdicts[i]
			}
		}
		verdicts = why
	}
	return Result{Verdicts: verdicts}, combine(ctx, job, coef, to, workers, job.told(1, 2))
}

// direct reports whether the model is the weighted mean of the parameters themselves.
func (job Job) direct() bool { return job.Strategy.direct() && !job.boxed() }

// told returns what is told of progress in a pass over the shards, of so many passes.
func (job Job) told(pass, passes int) (after func(i int)) {
	return func(i int) {
		if job.Progress != nil {
			job.Progress(pass*job.Shape.Shards+i+1, passes*job.Shape.Shards)
		}
	}
}

// check returns the sum of the weights.
func (job Job) check(to Sink) (total uint64, err error) {
	if job.Shape.Shards <= 0 || job.Shape.Segments == nil {
		return 0, fmt.Errorf("%w: a model of %d shards", ErrShape, job.Shape.Shards)
	}
	if total, err = job.checkInputs(); err != nil {
		return 0, err
	}
	if !job.direct() && job.Base == nil {
		return 0, fmt.Errorf("%w: changes are combined, so the round's base is needed", ErrInputs)
	}
	slots := job.Strategy.Slots()
	switch {
	case len(slots) > 0 && to.State == nil:
		return 0, fmt.Errorf("%w: the outer step has state, and nobody takes it", ErrInputs)
	case len(slots) > 0 && job.State == nil && job.Round != 1:
		return 0, fmt.Errorf("%w: round %d needs the state that the round before it left", ErrInputs, job.Round)
	}
	for _, slot := range slots {
		if job.State != nil && job.State[slot] == nil {
			return 0, fmt.Errorf("%w: the state has no slot %s", ErrInputs, slot)
		}
	}
	if len(job.State) > len(slots) {
		return 0, fmt.Errorf("%w: a state of %d slots, the outer step has %d", ErrInputs, len(job.State), len(slots))
	}
	return total, nil
}

func (job Job) checkInputs() (total uint64, err error) {
	if len(job.Inputs) > MaxInputs {
		return 0, fmt.Errorf("%w: %d of them, at most %d", ErrInputs, len(job.Inputs), MaxInputs)
	}
	for j, in := range job.Inputs {
		switch {
		case in.Update == nil:
			return 0, fmt.Errorf("%w: input %d has no update", ErrInputs, j)
		case in.Base != nil && !job.direct():
			return 0, fmt.Errorf("%w: input %d is late: an update is carried over from its own base under rule fedavg with outer none only; drop it (late: drop)", ErrInputs, j)
		case in.Base != nil && job.Base == nil:
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

func notFinite(x float64) bool { return x-x != 0 }

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
	// Steps that the update was trained, by which its change counts beside the others'; 0: as it is.
	Steps uint64
	// Update is the trained parameters.
	Update ShardReader
	// Base is nil for an update that counts as it is; for a late update that is carried over
	// it is the base that one was trained from (Strategy.CarriesLate).
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

// extent returns the segments of shard i, and its size in elements and bytes.
func (s Shape) extent(i int) (segments []tensor.Segment, elements, size int, err error) {
	segments = s.Segments(i)
	for _, seg := range segments {
		if !seg.DType.Weight() {
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
