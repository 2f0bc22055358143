package aggregate_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/tensor"
)

// fedAvg runs FedAvg over the round cut into shards of that many elements, and returns the
// model, uncut.
func fedAvg(t testing.TB, r aggregatetest.Round, shardElements uint64, m aggregatetest.Manner, workers int) (model []byte, err error) {
	t.Helper()
	cut := r.Cut(shardElements)
	base, inputs := r.Inputs(cut, m)
	written, done := 0, 0
	write := func(i int, data []byte) error {
		if i != written {
			t.Errorf("shard %d written after %d others", i, written)
		}
		written++
		model = append(model, data...)
		return nil
	}
	progress := func(n int) {
		if done++; n != done {
			t.Errorf("progress %d, want %d", n, done)
		}
	}
	err = aggregate.FedAvgWorkers(context.Background(), cut.Shape(), base, inputs, write, progress, workers)
	if shards := cut.Shape().Shards; err == nil && (written != shards || done != shards) {
		t.Errorf("%d of %d shards written, %d told", written, shards, done)
	}
	return model, err
}

func mustFedAvg(t testing.TB, r aggregatetest.Round) []byte {
	t.Helper()
	model, err := fedAvg(t, r, 1000, aggregatetest.Direct, 2)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func mustEqual(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("%s: models of %d and %d bytes differ from byte %d", what, len(got), len(want), at)
	}
}

var types = []tensor.DType{tensor.F32, tensor.F16, tensor.BF16}

// drawRuns draws a model of a few runs of elements.
func drawRuns(t *rapid.T) (runs []tensor.Segment) {
	for range rapid.IntRange(1, 5).Draw(t, "runs") {
		runs = append(runs, tensor.Segment{
			DType:    rapid.SampledFrom(types).Draw(t, "dtype"),
			Elements: rapid.Uint64Range(1, 60).Draw(t, "elements"),
		})
	}
	return runs
}

// drawWeight draws bits first, so that small and huge weights are alike frequent.
func drawWeight(t *rapid.T) func() uint64 {
	return func() uint64 {
		return rapid.Uint64Range(0, 1<<49-1).Draw(t, "weight") >> rapid.IntRange(0, 48).Draw(t, "shift")
	}
}

func drawRound(t *rapid.T) (aggregatetest.Round, *aggregatetest.PRNG) {
	p := aggregatetest.PRNG(rapid.Uint64().Draw(t, "seed"))
	n := rapid.IntRange(1, 11).Draw(t, "updates")
	k := aggregatetest.Kind(rapid.IntRange(0, int(aggregatetest.Kinds)-1).Draw(t, "kind"))
	r := p.Round(drawRuns(t), n, k, rapid.Bool().Draw(t, "late"), drawWeight(t))
	r.Updates[0].Weight++ // the sum is not 0
	return r, &p
}

func TestFollowsTheDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, p := drawRound(rt)
		if rapid.IntRange(0, 3).Draw(rt, "spoil") == 0 {
			spoil(r, p)
		}
		shardElements := rapid.Uint64Range(1, 100).Draw(rt, "shardElements")
		m := aggregatetest.Manner(rapid.IntRange(0, int(aggregatetest.Manners)-1).Draw(rt, "manner"))
		got, err := fedAvg(t, r, shardElements, m, rapid.IntRange(1, 5).Draw(rt, "workers"))
		want, bad := reference(r, slow)
		if len(bad) > 0 {
			// First by shard, then update, then element.
			slices.SortFunc(bad, func(a, b place) int {
				if c := a.element/int(shardElements) - b.element/int(shardElements); c != 0 {
					return c
				}
				if a.update != b.update {
					return a.update - b.update
				}
				return a.element - b.element
			})
			first := aggregate.NotFiniteError{
				Input:   bad[0].update,
				Shard:   bad[0].element / int(shardElements),
				Element: uint64(bad[0].element) % shardElements,
			}
			var e *aggregate.NotFiniteError
			if !errors.As(err, &e) || *e != first || !errors.Is(err, aggregate.ErrNotFinite) {
				rt.Fatalf("got %v, want %v", err, &first)
			}
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			rt.Fatalf("got\n%x, want\n%x", got, want)
		}
	})
}

// spoil puts NaNs and infinities into up to three places of updates.
func spoil(r aggregatetest.Round, p *aggregatetest.PRNG) {
	for range 1 + p.Next()%3 {
		u := r.Updates[p.Next()%uint64(len(r.Updates))]
		run := p.Next() % uint64(len(r.Runs))
		offset := 0
		for _, before := range r.Runs[:run] {
			offset += int(before.Elements) * before.DType.Size()
		}
		size := r.Runs[run].DType.Size()
		offset += int(p.Next()%r.Runs[run].Elements) * size
		end := u.Data[offset : offset+size]
		end[size-1] |= 0x7f
		end[size-2] |= 0x80 // F16 and F32: all of the exponent; BF16's ends here too
		end[0] &= byte(p.Next()) | 0x80
	}
}

// The model of runs longer than a tile, with more inputs than a group.
func TestTilesAndGroups(t *testing.T) {
	p := aggregatetest.PRNG(5)
	for _, d := range types {
		runs := []tensor.Segment{{DType: d, Elements: 2500}, {DType: tensor.BF16, Elements: 1025}, {DType: d, Elements: 1024}}
		for _, n := range []int{4, 9} {
			r := p.Round(runs, n, aggregatetest.Ordinary, n > 4, func() uint64 { return p.Next() >> 20 })
			want, bad := reference(r, slow)
			if len(bad) > 0 {
				t.Fatal(bad)
			}
			for m := range aggregatetest.Manners {
				got, err := fedAvg(t, r, 4000, m, 2)
				if err != nil {
					t.Fatal(err)
				}
				mustEqual(t, string(d), got, want)
			}
		}
	}
}

func TestShardSizeChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, _ := drawRound(rt)
		whole, err := fedAvg(t, r, 1<<20, aggregatetest.Direct, 1)
		if err != nil {
			return // TestFollowsTheDefinition has those
		}
		for _, shardElements := range []uint64{1, 3, 64, 100} {
			got, err := fedAvg(t, r, shardElements, aggregatetest.Direct, 3)
			if err != nil || !bytes.Equal(got, whole) {
				rt.Fatalf("shards of %d elements: %v,\n%x, want\n%x", shardElements, err, got, whole)
			}
		}
	})
}

func TestWorkersChangeNothing(t *testing.T) {
	p := aggregatetest.PRNG(6)
	r := p.Round([]tensor.Segment{{DType: tensor.F32, Elements: 3000}, {DType: tensor.F16, Elements: 3001}}, 7, aggregatetest.Ordinary, true, next32(&p))
	want, _ := reference(r, slow)
	for workers := range 9 {
		got, err := fedAvg(t, r, 100, aggregatetest.Filling, workers+1)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, "workers", got, want)
	}
}

func next32(p *aggregatetest.PRNG) func() uint64 {
	return func() uint64 { return p.Next()>>32 + 1 }
}

// Any seal order gives the same model where nothing is rounded, and one within a last bit
// of it elsewhere; that it is not always the same is why the seal fixes the order.
func TestSealOrder(t *testing.T) {
	p := aggregatetest.PRNG(7)
	runs := []tensor.Segment{{DType: tensor.F32, Elements: 2000}}
	exact := p.Round(runs, 9, aggregatetest.Ordinary, false, func() uint64 { return p.Next() >> 48 })
	want := mustFedAvg(t, exact)
	for range 5 {
		mustEqual(t, "exact sums", mustFedAvg(t, exact.Shuffled(&p)), want)
	}
	rounded := p.Round(runs, 8, aggregatetest.Ordinary, false, func() uint64 { return p.Next() >> 15 }).Opposed()
	want = mustFedAvg(t, rounded)
	differ := false
	for range 20 {
		got := mustFedAvg(t, rounded.Shuffled(&p))
		for at := 0; at < len(got); at += 4 {
			a, b := tensor.DecodeOne(got[at:], tensor.F32), tensor.DecodeOne(want[at:], tensor.F32)
			differ = differ || a != b
			if math.Abs(a-b) > 0x1p-24 { // values are below 2
				t.Fatalf("element %d: %v and %v", at/4, a, b)
			}
		}
	}
	if !differ {
		t.Error("no order changed a bit: the example is no example")
	}
}

func TestEqualUpdatesGiveThemselves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := aggregatetest.PRNG(rapid.Uint64().Draw(rt, "seed"))
		runs := drawRuns(rt)
		same := p.Artifact(runs, aggregatetest.Finite)
		r := aggregatetest.Round{Runs: runs}
		for range rapid.IntRange(1, 9).Draw(rt, "updates") {
			r.Updates = append(r.Updates, aggregatetest.Update{Weight: rapid.Uint64Range(1, 1<<25).Draw(rt, "weight"), Data: same})
		}
		model, err := fedAvg(t, r, 50, aggregatetest.Direct, 2)
		if err != nil {
			rt.Fatal(err)
		}
		offset := 0
		for _, run := range runs {
			for range run.Elements {
				if a, b := tensor.DecodeOne(model[offset:], run.DType), tensor.DecodeOne(same[offset:], run.DType); a != b {
					rt.Fatalf("%s at byte %d: %v became %v", run.DType, offset, b, a)
				}
				offset += run.DType.Size()
			}
		}
	})
}

// A late update whose own base is the round's is an aggregatetest.Ordinary one wherever x - base is exact.
func TestLateUpdateOfTheSameBase(t *testing.T) {
	p := aggregatetest.PRNG(8)
	runs := []tensor.Segment{{DType: tensor.BF16, Elements: 500}, {DType: tensor.F16, Elements: 500}}
	r := p.Round(runs, 5, aggregatetest.Ordinary, false, next32(&p))
	want := mustFedAvg(t, r)
	for j := range r.Updates {
		r.Updates[j].Base = r.Base
	}
	mustEqual(t, "late", mustFedAvg(t, r), want)
}

// A late update that changed nothing is the round's base, whatever its own base was: the
// difference is taken first, so a large parameter does not wash a small one away.
func TestLateUpdateThatChangedNothing(t *testing.T) {
	p := aggregatetest.PRNG(9)
	runs := []tensor.Segment{{DType: tensor.F32, Elements: 500}, {DType: tensor.BF16, Elements: 500}, {DType: tensor.F16, Elements: 500}}
	r := p.Round(runs, 3, aggregatetest.Finite, false, func() uint64 { return p.Next() >> 44 })
	for j, u := range r.Updates {
		r.Updates[j].Base = u.Data
	}
	mustEqual(t, "late", mustFedAvg(t, r), r.Base)
}
