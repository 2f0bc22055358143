package aggregate_test

import (
	"io"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

// A slot fits an artifact with the model's tensors in F32 and the model's cut, and is read back from it: a run that keeps model
// and state in a store goes on as one that keeps them in memory.
func TestStateAsArtifact(t *testing.T) {
	store := blockstore.NewMemory(blockstore.Options{})
	layout := tensor.Layout{Tensors: []tensor.Tensor{
		{Name: "a", DType: tensor.BF16, Shape: []uint64{30, 11}},
		{Name: "b", DType: tensor.F32, Shape: []uint64{}},
		{Name: "c", DType: tensor.F32, Shape: []uint64{7, 100}},
		{Name: "d", DType: tensor.F16, Shape: []uint64{91}},
	}}
	asF32 := tensor.Layout{}
	var runs []tensor.Segment
	for _, one := range layout.Tensors {
		runs = append(runs, tensor.Segment{DType: one.DType, Elements: one.Elements()})
		one.DType = tensor.F32
		asF32.Tensors = append(asF32.Tensors, one)
	}
	const shardElements = 128
	s := strategy(t, "clip+nesterov")
	p := aggregatetest.PRNG(31)
	r := p.Round(runs, 5, aggregatetest.Ordinary, false, next32(&p))
	cut := r.Cut(shardElements)
	first := builder(t, store, layout, shardElements)
	for i := range first.Len() {
		if _, err := first.WriteShard(i, r.Base[cut.Offsets[i]:cut.Offsets[i+1]]); err != nil {
			t.Fatal(err)
		}
	}
	base := commit(t, first)
	var want aggregatetest.Made
	var state block.CID
	for number := uint64(1); number <= 3; number++ {
		job := r.Job(s, cut, aggregatetest.Direct, number, want.State)
		want = aggregatetest.Made{}
		if _, err := aggregate.Reduce(t.Context(), job, want.Sink()); err != nil {
			t.Fatal(err)
		}
		job.Base = open(t, store, base)
		if state.Defined() {
			job.State = map[string]aggregate.ShardReader{"v": open(t, store, state)}
		}
		model, slot := builder(t, store, layout, shardElements), builder(t, store, asF32, shardElements)
		_, err := aggregate.Reduce(t.Context(), job, aggregate.Sink{
			Model: func(i int, data []byte) error { _, err := model.WriteShard(i, data); return err },
			State: func(_ string, i int, data []byte) error { _, err := slot.WriteShard(i, data); return err },
		})
		if err != nil {
			t.Fatal(err)
		}
		base, state = commit(t, model), commit(t, slot)
		mustEqual(t, "model", content(t, store, base), want.Model)
		mustEqual(t, "v", content(t, store, state), want.State["v"])
		next := p.Round(runs, 5, aggregatetest.Ordinary, false, next32(&p))
		next.Base = want.Model
		r = next
	}
}

func builder(t *testing.T, store *blockstore.Memory, l tensor.Layout, shardElements uint64) *blockstore.Builder {
	t.Helper()
	cut, err := l.Cut(shardElements)
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.NewArtifact(cut)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func commit(t *testing.T, b *blockstore.Builder) block.CID {
	t.Helper()
	manifest, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

func open(t *testing.T, store *blockstore.Memory, manifest block.CID) *blockstore.Artifact {
	t.Helper()
	a, err := store.Open(manifest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() }) // opened to read
	return a
}

// content returns the elements of an artifact.
func content(t *testing.T, store *blockstore.Memory, manifest block.CID) []byte {
	t.Helper()
	data, err := io.ReadAll(open(t, store, manifest).Data())
	if err != nil {
		t.Fatal(err)
	}
	return data
}
