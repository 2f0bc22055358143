package aggregatetest

import "github.com/weft-mesh/weft/tensor"

// GoldenShard is how many elements the shards of golden rounds have: more than are worked
// on at a time.
const GoldenShard = 1500

// Golden is a round with a name.
type Golden struct {
	Name string
	Round
}

// Goldens returns rounds made to break wherever processors or compilers may differ: sums
// that cancel under huge weights, subnormals, the ends of the types' ranges, late updates,
// shards of several types, more inputs than are read at a time.
func Goldens() []Golden {
	run := func(d tensor.DType, n uint64) tensor.Segment { return tensor.Segment{DType: d, Elements: n} }
	f32 := []tensor.Segment{run(tensor.F32, 4000)}
	bf16 := []tensor.Segment{run(tensor.BF16, 4000)}
	f16 := []tensor.Segment{run(tensor.F16, 4000)}
	mixed := []tensor.Segment{
		run(tensor.F32, 701), run(tensor.BF16, 333), run(tensor.F16, 5),
		run(tensor.F32, 1), run(tensor.BF16, 2001), run(tensor.F16, 1400),
	}
	var p PRNG
	samples := func() uint64 { return p.Next()%5000 + 1 }
	huge := func() uint64 { return p.Next()>>15 | 1 } // below 2^49
	return []Golden{
		{"f32", p.Round(f32, 3, Ordinary, false, samples)},
		{"f32 opposed", p.Round(f32, 8, Ordinary, false, huge).Opposed()},
		{"f32 subnormal", p.Round(f32, 5, Subnormal, false, samples)},
		{"f32 finite", p.Round(f32, 6, Finite, false, huge)},
		{"bf16", p.Round(bf16, 8, Ordinary, false, samples)},
		{"f16", p.Round(f16, 8, Ordinary, false, samples)},
		{"mixed", p.Round(mixed, 9, Ordinary, false, samples)},
		{"mixed opposed", p.Round(mixed, 12, Ordinary, false, huge).Opposed()},
		{"mixed subnormal", p.Round(mixed, 4, Subnormal, false, huge)},
		{"mixed finite", p.Round(mixed, 13, Finite, false, huge)},
		{"late", p.Round(mixed, 7, Ordinary, true, samples)},
		{"late huge", p.Round(mixed, 10, Ordinary, true, huge)},
		{"late subnormal", p.Round(mixed, 5, Subnormal, true, samples)},
	}
}
