package aggregate_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/tensor"
)

// BenchmarkFedAvg gives bytes of input per second: eight updates in memory, shards of 1 MiB.
func BenchmarkFedAvg(b *testing.B) {
	const shards, size, updates = 8, 1 << 20, 8
	for _, c := range []struct {
		name    string
		dtype   tensor.DType
		late    bool
		workers int
	}{
		{"F32", tensor.F32, false, 1},
		{"F32", tensor.F32, false, 2},
		{"BF16", tensor.BF16, false, 1},
		{"F16", tensor.F16, false, 1},
		{"F32Late", tensor.F32, true, 1},
	} {
		b.Run(fmt.Sprintf("%s/workers=%d", c.name, c.workers), func(b *testing.B) {
			data := make([]byte, size)
			for at := 0; at < size; at += c.dtype.Size() {
				tensor.Encode(data[at:at+c.dtype.Size()], []float64{float64(at%4002)/2048 - 1}, c.dtype)
			}
			shape := aggregate.Shape{Shards: shards, Segments: func(int) []tensor.Segment {
				return []tensor.Segment{{DType: c.dtype, Elements: size / uint64(c.dtype.Size())}}
			}}
			inputs := make([]aggregate.Input, updates)
			for j := range inputs {
				own := make(memory, shards)
				for i := range own {
					own[i] = slices.Clone(data)
				}
				inputs[j] = aggregate.Input{Weight: uint64(1000 + j), Update: own}
				if c.late {
					inputs[j].Base = inputs[0].Update
				}
			}
			write := func(int, []byte) error { return nil }
			b.SetBytes(shards * size * updates)
			for b.Loop() {
				if err := aggregate.FedAvgWorkers(context.Background(), shape, inputs[0].Update, inputs, write, nil, c.workers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// memory is an artifact's shards.
type memory [][]byte

func (m memory) ReadShard(i int, _ []byte) ([]byte, error) { return m[i], nil }

// BenchmarkStrategies gives bytes of input per second as BenchmarkFedAvg does, F32, one worker.
func BenchmarkStrategies(b *testing.B) {
	const shards, size, updates = 8, 1 << 20, 8
	data := make([]byte, size)
	for at := 0; at < size; at += 4 {
		tensor.Encode(data[at:at+4], []float64{float64(at%4002)/2048 - 1}, tensor.F32)
	}
	own := make(memory, shards)
	for i := range own {
		own[i] = data
	}
	for _, text := range []string{"fedavg+none", "fedavg+nesterov", "clip+none", "clip+nesterov", "test-median+none"} {
		b.Run(text, func(b *testing.B) {
			job := aggregate.Job{
				Strategy: strategy(b, text), Round: 1, Base: own,
				Shape: flat(shards, tensor.Segment{DType: tensor.F32, Elements: size / 4}),
			}
			for j := range updates {
				job.Inputs = append(job.Inputs, aggregate.Input{Weight: uint64(1000 + j), Update: own})
			}
			sink := aggregate.Sink{Model: func(int, []byte) error { return nil }, State: func(string, int, []byte) error { return nil }}
			b.SetBytes(shards * size * updates)
			for b.Loop() {
				if _, err := aggregate.ReduceWorkers(b.Context(), job, sink, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
