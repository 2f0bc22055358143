package aggregate_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/tensor"
)

func TestStrategiesRefuse(t *testing.T) {
	shape := flat(3, tensor.Segment{DType: tensor.F32, Elements: 10})
	job := func(text string, change func(j *aggregate.Job)) aggregate.Job {
		j := aggregate.Job{Strategy: strategy(t, text), Round: 1, Shape: shape, Base: zeros, Inputs: []aggregate.Input{{Weight: 1, Update: zeros}}}
		if change != nil {
			change(&j)
		}
		return j
	}
	state := func(slots ...string) func(j *aggregate.Job) {
		return func(j *aggregate.Job) {
			j.State = map[string]aggregate.ShardReader{}
			for _, slot := range slots {
				j.State[slot] = zeros
			}
		}
	}
	late := func(j *aggregate.Job) { j.Inputs[0].Base = zeros }
	noBase := func(j *aggregate.Job) { j.Base = nil }
	failing := readFunc(func(int, []byte) ([]byte, error) { return nil, io.ErrUnexpectedEOF })
	infinite := readFunc(func(_ int, buf []byte) ([]byte, error) {
		clear(buf)
		buf[7], buf[6] = 0x7f, 0x80
		return buf, nil
	})
	discard := aggregate.Sink{
		Model: func(int, []byte) error { return nil },
		State: func(string, int, []byte) error { return nil },
	}
	for name, c := range map[string]struct {
		job  aggregate.Job
		want error
		text string
	}{
		"good":             {job("clip+nesterov", nil), nil, ""},
		"good with state":  {job("clip+nesterov", state("v")), nil, ""},
		"late, clip":       {job("clip+none", late), aggregate.ErrInputs, "late: drop"},
		"late, nesterov":   {job("fedavg+nesterov", late), aggregate.ErrInputs, "late: drop"},
		"late, mean":       {job("fedavg+none", late), nil, ""},
		"no base, clip":    {job("clip+none", noBase), aggregate.ErrInputs, "base"},
		"no base, mean":    {job("fedavg+none", noBase), nil, ""},
		"a slot lacks":     {job("fedavg+nesterov", state()), aggregate.ErrInputs, "no slot v"},
		"a slot too many":  {job("fedavg+nesterov", state("v", "m")), aggregate.ErrInputs, "2 slots"},
		"state, no slots":  {job("clip+none", state("v")), aggregate.ErrInputs, "1 slots"},
		"state forgotten":  {job("fedavg+nesterov", func(j *aggregate.Job) { j.Round = 2 }), aggregate.ErrInputs, "round 2 needs the state"},
		"no state needed":  {job("clip+none", func(j *aggregate.Job) { j.Round = 2 }), nil, ""},
		"unread state":     {job("fedavg+nesterov", func(j *aggregate.Job) { j.State = map[string]aggregate.ShardReader{"v": failing} }), io.ErrUnexpectedEOF, "state v, shard 0"},
		"infinite state":   {job("fedavg+nesterov", func(j *aggregate.Job) { j.State = map[string]aggregate.ShardReader{"v": infinite} }), aggregate.ErrNotFinite, "state v, shard 0, element 1"},
		"unread base":      {job("clip+none", func(j *aggregate.Job) { j.Base = failing }), io.ErrUnexpectedEOF, "base, shard 0"},
		"infinite base":    {job("test-median+none", func(j *aggregate.Job) { j.Base = infinite }), aggregate.ErrNotFinite, "base, shard 0, element 1"},
		"unread update":    {job("clip+none", func(j *aggregate.Job) { j.Inputs[0].Update = failing }), io.ErrUnexpectedEOF, "input 0, shard 0"},
		"state too large":  {job("fedavg+nesterov", func(j *aggregate.Job) { j.Shape = flat(1, tensor.Segment{DType: tensor.BF16, Elements: 1<<20 + 1}) }), aggregate.ErrShape, "of state"},
		"model that large": {job("clip+none", func(j *aggregate.Job) { j.Shape = flat(1, tensor.Segment{DType: tensor.BF16, Elements: 1<<20 + 1}) }), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := aggregate.Reduce(t.Context(), c.job, discard)
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
			var blamed *aggregate.NotFiniteError
			if errors.As(err, &blamed) {
				t.Errorf("input %d is blamed for what it has not done", blamed.Input)
			}
		})
	}
	if _, err := aggregate.Reduce(t.Context(), job("fedavg+nesterov", nil), aggregate.Sink{Model: discard.Model}); !errors.Is(err, aggregate.ErrInputs) {
		t.Errorf("a sink without state: %v", err)
	}
	for _, full := range []aggregate.Sink{
		{Model: func(int, []byte) error { return io.ErrShortWrite }, State: discard.State},
		{Model: discard.Model, State: func(string, int, []byte) error { return io.ErrShortWrite }},
	} {
		if _, err := aggregate.Reduce(t.Context(), job("fedavg+nesterov", nil), full); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("a full disk: %v", err)
		}
	}
}

// A rule that judges goes through all shards twice, and tells of both.
func TestProgressOfJudging(t *testing.T) {
	for text, passes := range map[string]int{"fedavg+none": 1, "fedavg+nesterov": 1, "clip+none": 2} {
		told := ""
		job := aggregate.Job{
			Strategy: strategy(t, text), Round: 1, Base: zeros, Shape: flat(2, tensor.Segment{DType: tensor.F32, Elements: 1}),
			Inputs:   []aggregate.Input{{Weight: 1, Update: zeros}},
			Progress: func(done, all int) { told += fmt.Sprintf("%d/%d ", done, all) },
		}
		sink := aggregate.Sink{Model: func(int, []byte) error { return nil }, State: func(string, int, []byte) error { return nil }}
		if _, err := aggregate.Reduce(t.Context(), job, sink); err != nil {
			t.Fatal(err)
		}
		if want := map[int]string{1: "1/2 2/2 ", 2: "1/4 2/4 3/4 4/4 "}[passes]; told != want {
			t.Errorf("%s: told %s, want %s", text, told, want)
		}
	}
}

// A rule's own refusal, and a verdict that is none, end the reduction.
func TestJudgeRefuses(t *testing.T) {
	for text, want := range map[string]string{"test-refusing": "too few", "test-refusing+none+want=1": "judged", "test-refusing+none+want=2": "judged"} {
		job := aggregate.Job{
			Strategy: strategy(t, text), Base: zeros, Shape: flat(1, tensor.Segment{DType: tensor.F32, Elements: 1}),
			Inputs: []aggregate.Input{{Weight: 1, Update: zeros}, {Weight: 1, Update: zeros}},
		}
		if _, err := aggregate.Reduce(t.Context(), job, aggregate.Sink{Model: func(int, []byte) error { return nil }}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Memory is bounded as the package documentation says: of a weighted sum whatever the inputs, of other rules by one shard of
// each for each worker.
func TestMemoryOfStrategies(t *testing.T) {
	const elements, size, workers = 1 << 16, 1 << 18, 2
	shape := flat(12, tensor.Segment{DType: tensor.F32, Elements: elements})
	for text, bound := range map[string]int{
		"clip+nesterov":    workers*(12*size+8*elements) + workers*(2*size), // the second for the norms
		"test-median+none": workers * (30*size + 2*size + 30*8*1024),
	} {
		var inputs []aggregate.Input
		for range 30 {
			inputs = append(inputs, aggregate.Input{Weight: 1, Update: zeros})
		}
		job := aggregate.Job{Strategy: strategy(t, text), Base: zeros, Shape: shape, Inputs: inputs}
		if strings.HasSuffix(text, "nesterov") {
			job.State = map[string]aggregate.ShardReader{"v": zeros}
		}
		sink := aggregate.Sink{Model: func(int, []byte) error { return nil }, State: func(string, int, []byte) error { return nil }}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := aggregate.ReduceWorkers(t.Context(), job, sink, workers); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		bound += workers * 256 << 10
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(bound) {
			t.Errorf("%s: allocated %d bytes in all, at most %d are documented", text, used, bound)
		}
	}
}
