package aggregate_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/tensor"
)

// compare measures the first update of a round.
func compare(t testing.TB, r aggregatetest.Round, shardElements uint64, m aggregatetest.Manner) aggregate.Change {
	t.Helper()
	job := r.Job(aggregate.Strategy{}, r.Cut(shardElements), m, 1, nil)
	c, err := aggregate.Compare(context.Background(), job.Shape, job.Base, job.Inputs[0].Update)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompare: the norms are those of the definition, which clip goes by too, read in any manner.
func TestCompare(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, _ := drawPlain(rt)
		shardElements := rapid.Uint64Range(1, 100).Draw(rt, "shardElements")
		c := compare(t, r, shardElements, aggregatetest.Manner(rapid.IntRange(0, int(aggregatetest.Manners)-1).Draw(rt, "manner")))
		base := baseAsFloats(r)
		want := aggregate.Change{Norm: root(squareOf(changesOf(r)[0], int(shardElements))), Base: root(squareOf(base, int(shardElements))), Elements: uint64(len(base))}
		if c != want {
			rt.Fatalf("got %+v, want %+v", c, want)
		}
	})
}

// TestCompareGolden: the same bits on every processor.
func TestCompareGolden(t *testing.T) {
	p := aggregatetest.PRNG(5)
	r := p.Round([]tensor.Segment{{DType: tensor.F32, Elements: 2503}, {DType: tensor.BF16, Elements: 1025}, {DType: tensor.F16, Elements: 301}}, 1, aggregatetest.Ordinary, false, func() uint64 { return 1 })
	c := compare(t, r, 1000, aggregatetest.Direct)
	if math.Float64bits(c.Norm) != goldenNorm || math.Float64bits(c.Base) != goldenBase {
		t.Errorf("norms %#x and %#x", math.Float64bits(c.Norm), math.Float64bits(c.Base))
	}
}

// TestCheckChange: an update that moves the model by a thousand times what it is goes too far, if the run says nothing else; so
// does one whose change is no float32.
func TestCheckChange(t *testing.T) {
	for _, c := range []struct {
		change aggregate.Change
		most   float64
		ok     bool
	}{
		{aggregate.Change{Norm: 1000, Base: 1, Elements: 4}, 0, true},
		{aggregate.Change{Norm: math.Nextafter(1000, 2000), Base: 1, Elements: 4}, 0, false},
		{aggregate.Change{Norm: 1000 << 20, Base: 0, Elements: 1 << 20}, 0, true}, // zeros, as a linear model begins with
		{aggregate.Change{Norm: 1000<<20 + 1, Base: 0, Elements: 1 << 20}, 0, false},
		{aggregate.Change{Norm: 1000, Base: 1, Elements: 1 << 20}, 0, true}, // elements of 2^-10
		{aggregate.Change{Norm: 1001, Base: 1, Elements: 1 << 20}, 0, false},
		{aggregate.Change{Norm: 2, Base: 1, Elements: 4}, 1.5, false},
		{aggregate.Change{Norm: 1e9, Base: 1, Elements: 4}, 1e10, true},
		{aggregate.Change{Norm: math.Inf(1), Base: 1, Elements: 4}, math.MaxFloat64, false},
	} {
		err := c.change.Check(c.most)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, aggregate.ErrTooLong) {
			t.Errorf("%+v, at most %g: %v", c.change, c.most, err)
		}
	}
	one := aggregatetest.Round{Runs: []tensor.Segment{{DType: tensor.F32, Elements: 2}}, Base: asF32([]float64{-3e38, 0})}
	one.Updates = []aggregatetest.Update{{Weight: 1, Data: asF32([]float64{3e38, 0})}}
	if c := compare(t, one, 8, aggregatetest.Direct); !math.IsInf(c.Norm, 1) || c.Check(0) == nil {
		t.Errorf("a change beyond float32 measures %+v", c)
	}
}

// The norms of TestCompareGolden, as amd64 and arm64 have them.
const goldenNorm, goldenBase = 0x404bcd48df06abb0, 0x40439dd3bc1056e9
