package aggregate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/tensor"
)

// readFunc is a ShardReader.
type readFunc func(i int, buf []byte) ([]byte, error)

func (f readFunc) ReadShard(i int, buf []byte) ([]byte, error) { return f(i, buf) }

// zeros reads as zeros.
var zeros = readFunc(func(_ int, buf []byte) ([]byte, error) {
	clear(buf)
	return buf, nil
})

func flat(shards int, segments ...tensor.Segment) aggregate.Shape {
	return aggregate.Shape{Shards: shards, Segments: func(int) []tensor.Segment { return segments }}
}

func TestRefuses(t *testing.T) {
	good := flat(3, tensor.Segment{DType: tensor.F32, Elements: 10})
	one := []aggregate.Input{{Weight: 1, Update: zeros}}
	short := readFunc(func(_ int, buf []byte) ([]byte, error) { return buf[1:], nil })
	failing := readFunc(func(int, []byte) ([]byte, error) { return nil, io.ErrUnexpectedEOF })
	for name, c := range map[string]struct {
		shape  aggregate.Shape
		base   aggregate.ShardReader
		inputs []aggregate.Input
		want   error
	}{
		"good":            {good, nil, one, nil},
		"no inputs":       {good, nil, nil, aggregate.ErrInputs},
		"no weight":       {good, nil, []aggregate.Input{{Update: zeros}}, aggregate.ErrInputs},
		"weight 2^53":     {good, nil, []aggregate.Input{{Weight: 1 << 53, Update: zeros}}, aggregate.ErrInputs},
		"sum 2^53":        {good, nil, []aggregate.Input{{Weight: 1<<53 - 1, Update: zeros}, {Weight: 1, Update: zeros}}, aggregate.ErrInputs},
		"sum 2^53-1":      {good, nil, []aggregate.Input{{Weight: 1<<53 - 2, Update: zeros}, {Weight: 1, Update: zeros}}, nil},
		"sum wraps":       {good, nil, []aggregate.Input{{Weight: 2, Update: zeros}, {Weight: 1<<64 - 1, Update: zeros}}, aggregate.ErrInputs},
		"too many":        {good, nil, make([]aggregate.Input, aggregate.MaxInputs+1), aggregate.ErrInputs},
		"no update":       {good, nil, []aggregate.Input{{Weight: 1}}, aggregate.ErrInputs},
		"late, no base":   {good, nil, []aggregate.Input{{Weight: 1, Update: zeros, Base: zeros}}, aggregate.ErrInputs},
		"late":            {good, zeros, []aggregate.Input{{Weight: 1, Update: zeros, Base: zeros}}, nil},
		"no shards":       {flat(0), nil, one, aggregate.ErrShape},
		"no shape":        {aggregate.Shape{Shards: 1}, nil, one, aggregate.ErrShape},
		"empty shard":     {flat(1, tensor.Segment{DType: tensor.F32}), nil, one, aggregate.ErrShape},
		"unknown type":    {flat(1, tensor.Segment{DType: "I8", Elements: 1}), nil, one, aggregate.ErrShape},
		"largest shard":   {flat(1, tensor.Segment{DType: tensor.BF16, Elements: 2 << 20}), nil, one, nil},
		"large shard":     {flat(1, tensor.Segment{DType: tensor.BF16, Elements: 2<<20 + 1}), nil, one, aggregate.ErrShape},
		"endless shard":   {flat(1, tensor.Segment{DType: tensor.F32, Elements: 1<<64 - 1}), nil, one, aggregate.ErrShape},
		"short update":    {good, nil, []aggregate.Input{{Weight: 1, Update: short}}, aggregate.ErrShape},
		"short own base":  {good, zeros, []aggregate.Input{{Weight: 1, Update: zeros, Base: short}}, aggregate.ErrShape},
		"short base":      {good, short, []aggregate.Input{{Weight: 1, Update: zeros, Base: zeros}}, aggregate.ErrShape},
		"unread update":   {good, nil, []aggregate.Input{{Weight: 1, Update: failing}}, io.ErrUnexpectedEOF},
		"unread base":     {good, failing, []aggregate.Input{{Weight: 1, Update: zeros, Base: zeros}}, io.ErrUnexpectedEOF},
		"unread own base": {good, zeros, []aggregate.Input{{Weight: 1, Update: zeros, Base: failing}}, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			write := func(int, []byte) error { return nil }
			if _, err := aggregate.Reduce(t.Context(), aggregate.Job{Shape: c.shape, Base: c.base, Inputs: c.inputs}, aggregate.Sink{Model: write}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// The error is that of the first shard that fails, and all shards before it are written, with
// any number of workers.
func TestFirstErrorByShard(t *testing.T) {
	update := readFunc(func(i int, buf []byte) ([]byte, error) {
		if i >= 11 {
			return nil, fmt.Errorf("shard %d: %w", i, io.ErrUnexpectedEOF)
		}
		return zeros(i, buf)
	})
	for workers := range 8 {
		written := 0
		write := func(i int, _ []byte) error {
			written++
			return nil
		}
		err := aggregate.FedAvgWorkers(t.Context(), flat(40, tensor.Segment{DType: tensor.F16, Elements: 7}), nil,
			[]aggregate.Input{{Weight: 1, Update: update}}, write, nil, workers+1)
		if want := "aggregate: input 0, shard 11: shard 11: unexpected EOF"; err == nil || err.Error() != want || written != 11 {
			t.Errorf("%d workers: %d shards written, then %v, want %s", workers+1, written, err, want)
		}
	}
}

func TestStopsOnWriteErrorAndCancel(t *testing.T) {
	shape := flat(1000, tensor.Segment{DType: tensor.F32, Elements: 3})
	inputs := []aggregate.Input{{Weight: 1, Update: zeros}}
	ctx, cancel := context.WithCancel(t.Context())
	for _, c := range []struct {
		end  func() error
		want error
	}{
		{func() error { return io.ErrShortWrite }, io.ErrShortWrite},
		{func() error { cancel(); return nil }, context.Canceled},
	} {
		calls := 0
		write := func(i int, _ []byte) error {
			if calls++; i == 5 {
				return c.end()
			}
			return nil
		}
		// After the call that cancels, at most one turn of the workers is still to come.
		if err := aggregate.FedAvgWorkers(ctx, shape, nil, inputs, write, nil, 3); !errors.Is(err, c.want) || calls < 6 || calls > 900 {
			t.Errorf("%d calls and %v, want %v", calls, err, c.want)
		}
	}
}

// A late update whose values are finite may leave the type's range, carried over to the base.
func TestLateOverflow(t *testing.T) {
	for _, d := range types {
		runs := []tensor.Segment{{DType: d, Elements: 4}}
		encode := func(x ...float64) aggregatetest.Artifact {
			a := make(aggregatetest.Artifact, len(x)*d.Size())
			if i := tensor.Encode(a, x, d); i >= 0 {
				t.Fatalf("%s cannot hold %v", d, x[i])
			}
			return a
		}
		top := greatest(d)
		r := aggregatetest.Round{Runs: runs, Base: encode(1, top, top, 0), Updates: []aggregatetest.Update{
			{Weight: 1 << 50, Data: encode(0, 0, 0, 0)},
			{Weight: 1, Data: encode(5, -top, 0, 1), Base: encode(6, 0, 0, 1)}, // the third comes to the largest value
		}}
		mustFedAvg(t, r)
		r.Updates[1].Base = encode(6, 0, -top/1024, 1)
		_, err := fedAvg(t, r, 2, aggregatetest.Direct, 2)
		var e *aggregate.NotFiniteError
		if !errors.As(err, &e) || *e != (aggregate.NotFiniteError{Input: 1, Shard: 1, Element: 0}) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// A reader whose bytes change under the aggregate is found out.
func TestChangingReader(t *testing.T) {
	calls := 0
	update := readFunc(func(_ int, buf []byte) ([]byte, error) {
		clear(buf)
		if calls++; calls == 1 {
			buf[3], buf[2] = 0x7f, 0x80
		}
		return buf, nil
	})
	err := aggregate.FedAvgWorkers(t.Context(), flat(1, tensor.Segment{DType: tensor.F32, Elements: 1}), nil,
		[]aggregate.Input{{Weight: 1, Update: update}}, func(int, []byte) error { return nil }, nil, 1)
	if err == nil || errors.Is(err, aggregate.ErrNotFinite) {
		t.Error(err)
	}
}

// Memory is bounded as the package documentation says, whatever the model and the inputs.
func TestMemory(t *testing.T) {
	const elements, size = 1 << 16, 1 << 18
	shape := flat(12, tensor.Segment{DType: tensor.F32, Elements: elements})
	var inputs []aggregate.Input
	for j := range 30 {
		in := aggregate.Input{Weight: 1, Update: zeros}
		if j%10 == 0 {
			in.Base = zeros
		}
		inputs = append(inputs, in)
	}
	const workers = 2
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := aggregate.FedAvgWorkers(t.Context(), shape, zeros, inputs, func(int, []byte) error { return nil }, nil, workers); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	used, bound := after.TotalAlloc-before.TotalAlloc, uint64(workers*(9*size+8*elements+64<<10))
	if used > bound {
		t.Errorf("allocated %d bytes in all, at most %d are documented", used, bound)
	}
}

// What a reader returns is only read, also when other readers of the same round fill the
// buffers that they are given.
func TestReadersKeepTheirMemory(t *testing.T) {
	var p aggregatetest.PRNG
	r := p.Round([]tensor.Segment{{DType: tensor.F32, Elements: 300}}, 13, aggregatetest.Ordinary, true, next32(&p))
	want := mustFedAvg(t, r)
	cut := r.Cut(100)
	base, inputs := r.Inputs(cut, aggregatetest.Direct)
	_, others := r.Inputs(cut, aggregatetest.Filling)
	for j := range inputs {
		if j%5 > 2 {
			inputs[j] = others[j]
		}
	}
	for range 2 {
		var got []byte
		write := func(_ int, data []byte) error {
			got = append(got, data...)
			return nil
		}
		if err := aggregate.FedAvgWorkers(t.Context(), cut.Shape(), base, inputs, write, nil, 1); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "mixed readers", got, want)
	}
}

// TestShapeOf: a cut's shards have the shape that FedAvg takes.
func TestShapeOf(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{
		{Name: "a", DType: tensor.F16, Shape: []uint64{3}}, {Name: "b", DType: tensor.F32, Shape: []uint64{4}},
	}}
	cut, err := l.Cut(5)
	if err != nil {
		t.Fatal(err)
	}
	shape := aggregate.ShapeOf(cut)
	got := fmt.Sprint(shape.Shards, shape.Segments(0), shape.Segments(1))
	if want := "2 [{F16 3} {F32 2}] [{F32 2}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
