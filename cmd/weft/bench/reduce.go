package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/tensor"
)

// Reduce is how to measure the mean of updates.
type Reduce struct {
	Inputs int
	Bytes  uint64 // of each update
	Turns  int
}

// MaxInputs is how many updates a measurement averages, at most.
const MaxInputs = 1024

// Run measures the mean of updates in memory, of each type, on one processor, beside a loop that copies as many bytes.
func (r Reduce) Run(ctx context.Context, progress func(done int)) (*Comparison, error) {
	const shard = 1 << 20
	shards := int(r.Bytes / shard)
	switch {
	case r.Inputs < 1 || r.Inputs > MaxInputs:
		return nil, fmt.Errorf("%d inputs, want 1 to %d", r.Inputs, MaxInputs)
	case shards < 1 || r.Bytes > 1<<40/uint64(r.Inputs):
		return nil, fmt.Errorf("updates of %d bytes, want at least 1 MiB and 1 TiB in all", r.Bytes)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	update := make([]shardsInMemory, r.Inputs)
	for j := range update {
		update[j] = make(shardsInMemory, shards)
		for i := range update[j] {
			update[j][i] = finiteBytes(shard, uint64(j*shards+i))
		}
	}
	to := make([]byte, shard*shards)
	ways := []Way{{Name: "copy", Does: "copies the updates, one after the other, to one place", Run: func(context.Context) (Cost, error) {
		for _, u := range update {
			for i, data := range u {
				copy(to[i*shard:], data)
			}
		}
		return Cost{}, nil
	}}}
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16, tensor.F16} {
		job := aggregate.Job{Shape: aggregate.Shape{Shards: shards, Segments: func(int) []tensor.Segment {
			return []tensor.Segment{{DType: d, Elements: uint64(shard / d.Size())}}
		}}}
		for j := range update {
			job.Inputs = append(job.Inputs, aggregate.Input{Weight: uint64(100 + j), Update: update[j]})
		}
		ways = append(ways, Way{Name: string(d), Does: fmt.Sprintf("the mean of %d updates of %s", r.Inputs, d), Run: func(ctx context.Context) (Cost, error) {
			_, err := aggregate.Reduce(ctx, job, aggregate.Sink{Model: func(int, []byte) error { return nil }})
			return Cost{}, err
		}})
	}
	return Measure(ctx, "reduce", uint64(r.Inputs*shards*shard), ways, []string{"copy"}, r.Turns, progress)
}

// shardsInMemory is an artifact's shards.
type shardsInMemory [][]byte

// ReadShard implements aggregate.ShardReader.
func (m shardsInMemory) ReadShard(i int, _ []byte) ([]byte, error) { return m[i], nil }

// finiteBytes returns bytes that are finite elements of every type: one bit of each exponent is 0.
func finiteBytes(n int, seed uint64) []byte {
	var key [32]byte
	for k := range 8 {
		key[k] = byte(seed >> (8 * k))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	for i := 1; i < n; i += 2 {
		b[i] &^= 0x40
	}
	return b
}
