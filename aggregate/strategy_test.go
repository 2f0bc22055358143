package aggregate_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/tensor"
)

// strategy returns the strategy that a text such as clip+nesterov+lr=0.5 stands for.
func strategy(t testing.TB, text string) aggregate.Strategy {
	t.Helper()
	s, err := aggregatetest.ParseStrategy(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// play reduces a round.
func play(r aggregatetest.Round, s aggregate.Strategy, shardElements uint64, m aggregatetest.Manner, number uint64, before aggregatetest.State, workers int) (aggregatetest.Made, aggregate.Result, error) {
	var made aggregatetest.Made
	res, err := aggregate.ReduceWorkers(context.Background(), r.Job(s, r.Cut(shardElements), m, number, before), made.Sink(), workers)
	return made, res, err
}

// mustPlay is play where nothing may fail.
func mustPlay(t testing.TB, r aggregatetest.Round, s aggregate.Strategy, number uint64, before aggregatetest.State) (aggregatetest.Made, aggregate.Result) {
	t.Helper()
	made, res, err := play(r, s, 1000, aggregatetest.Direct, number, before, 2)
	if err != nil {
		t.Fatal(err)
	}
	return made, res
}

// drawPlain draws a round without late updates; its elements are no larger than changes can be.
func drawPlain(t *rapid.T) (aggregatetest.Round, *aggregatetest.PRNG) {
	p := aggregatetest.PRNG(rapid.Uint64().Draw(t, "seed"))
	kind := rapid.SampledFrom([]aggregatetest.Kind{aggregatetest.Ordinary, aggregatetest.Subnormal}).Draw(t, "kind")
	r := p.Round(drawRuns(t), rapid.IntRange(1, 11).Draw(t, "updates"), kind, false, drawWeight(t))
	r.Updates[0].Weight++
	return r, &p
}

// Runs of three rounds follow the definition, each round's model and state being the next one's base and state.
func TestStrategiesFollowTheDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, p := drawPlain(rt)
		params := map[string]string{}
		number := func(name, text string) float64 {
			params[name] = text
			var x float64
			if _, err := fmt.Sscan(text, &x); err != nil {
				rt.Fatal(err)
			}
			return x
		}
		rule, clip := "fedavg", 0.0
		switch rapid.IntRange(0, 2).Draw(rt, "rule") {
		case 1:
			rule, clip = "clip", math.NaN()
		case 2:
			rule, clip = "clip", number("norm", rapid.SampledFrom([]string{"1e-40", "0.5", "8", "1e30"}).Draw(rt, "norm"))
		}
		outer, lr, b := "none", 0.0, 0.0
		if rapid.Bool().Draw(rt, "nesterov") {
			outer, b = "nesterov", number("b", rapid.SampledFrom([]string{"0", "0.9", ".75"}).Draw(rt, "b"))
		}
		rates := []string{"0.7", "0.1", "1"}
		if rule == "fedavg" && outer == "none" {
			rates = rates[:2] // with 1 it is the mean of parameters
		}
		lr = number("lr", rapid.SampledFrom(rates).Draw(rt, "lr"))
		s, err := aggregate.NewStrategy(rule, outer, params)
		if err != nil {
			rt.Fatal(err)
		}
		shardElements := rapid.Uint64Range(1, 100).Draw(rt, "shardElements")
		var state aggregatetest.State
		v := make([]float64, len(baseAsFloats(r)))
		for n := uint64(1); n <= 3; n++ {
			m := aggregatetest.Manner(rapid.IntRange(0, int(aggregatetest.Manners)-1).Draw(rt, "manner"))
			made, _, err := play(r, s, shardElements, m, n, state, rapid.IntRange(1, 5).Draw(rt, "workers"))
			if err != nil {
				rt.Fatal(err)
			}
			x := changesOf(r)
			change := combined(x, coefficientsOf(r, x, clip, int(shardElements)))
			var want []float64
			if outer == "none" {
				want = plainStep(baseAsFloats(r), change, lr)
			} else {
				want = nesterovStep(baseAsFloats(r), change, v, lr, b)
				if !bytes.Equal(made.State["v"], asF32(v)) {
					rt.Fatalf("round %d, state: got\n%x, want\n%x", n, made.State["v"], asF32(v))
				}
			}
			if !bytes.Equal(made.Model, encoded(r, want)) {
				rt.Fatalf("round %d: got\n%x, want\n%x", n, made.Model, encoded(r, want))
			}
			next := p.Round(r.Runs, len(r.Updates), aggregatetest.Ordinary, false, func() uint64 { return 1 })
			next.Base = made.Model
			r, state = next, made.State
		}
	})
}

// Every rule goes with every outer step: a round comes to the same bytes with any number of workers and manner of reading, and
// what changes nothing leaves a model as it is. Rules that other files register, and the tests', are among them unseen.
func TestEveryPair(t *testing.T) {
	p := aggregatetest.PRNG(21)
	runs := []tensor.Segment{{DType: tensor.F32, Elements: 2500}, {DType: tensor.BF16, Elements: 1025}, {DType: tensor.F16, Elements: 300}}
	r := p.Round(runs, 9, aggregatetest.Ordinary, false, next32(&p))
	still := aggregatetest.Round{Runs: runs, Base: r.Base}
	for range 5 {
		still.Updates = append(still.Updates, aggregatetest.Update{Weight: 3, Data: r.Base})
	}
	seen := 0
	for _, rule := range aggregate.Rules() {
		for _, outer := range aggregate.Outers() {
			seen++
			t.Run(rule.Name+"+"+outer.Name, func(t *testing.T) {
				s := strategy(t, rule.Name+"+"+outer.Name)
				want, res := mustPlay(t, r, s, 1, nil)
				if len(want.Model) != len(r.Base) || bytes.Equal(want.Model, r.Base) || len(want.State) != len(s.Slots()) {
					t.Fatalf("%d bytes of a model, %d slots", len(want.Model), len(want.State))
				}
				if res.Verdicts != nil && len(res.Verdicts) != len(r.Updates) {
					t.Errorf("%d verdicts on %d updates", len(res.Verdicts), len(r.Updates))
				}
				for m := range aggregatetest.Manners {
					got, _, err := play(r, s, 1000, m, 1, nil, 1+2*int(m))
					if err != nil {
						t.Fatal(err)
					}
					mustEqual(t, "model", got.Model, want.Model)
					for _, slot := range s.Slots() {
						mustEqual(t, slot, got.State[slot], want.State[slot])
					}
				}
				same, _ := mustPlay(t, still, s, 1, nil)
				mustEqual(t, "unchanged", same.Model, r.Base)
			})
		}
	}
	if seen < 6 {
		t.Errorf("%d pairs", seen)
	}
}

// What a round leaves in its slots is all that the next one needs: a run whose every round begins from bytes, cut and read in
// other ways, comes to what a run in memory comes to.
func TestStateGoesOn(t *testing.T) {
	for _, text := range []string{"fedavg+nesterov", "test-median+nesterov"} { // clip's lengths depend on the cut
		s := strategy(t, text)
		p := aggregatetest.PRNG(22)
		var first, second aggregatetest.Made
		base := p.Round(mixedRuns(), 1, aggregatetest.Ordinary, false, next32(&p)).Base
		first.Model, second.Model = base, base
		for number := uint64(1); number <= 6; number++ {
			r := p.Round(mixedRuns(), 5, aggregatetest.Ordinary, false, next32(&p))
			r.Base = first.Model
			var err error
			if first, _, err = play(r, s, 1000, aggregatetest.Direct, number, first.State, 2); err != nil {
				t.Fatal(err)
			}
			r.Base = slices.Clone(second.Model)
			kept := aggregatetest.State{}
			for slot, data := range second.State {
				kept[slot] = slices.Clone(data)
			}
			if second, _, err = play(r, s, 70*number, aggregatetest.Manner(number%3), number, kept, int(number)); err != nil {
				t.Fatal(err)
			}
			mustEqual(t, "model", second.Model, first.Model)
			mustEqual(t, "v", second.State["v"], first.State["v"])
		}
		// And it is needed: without its state the last round comes to another model.
		r := p.Round(mixedRuns(), 5, aggregatetest.Ordinary, false, next32(&p))
		r.Base = first.Model
		with, _ := mustPlay(t, r, s, 7, first.State)
		without, _ := mustPlay(t, r, s, 7, aggregatetest.State{"v": make(aggregatetest.Artifact, len(first.State["v"]))})
		if bytes.Equal(with.Model, without.Model) {
			t.Error("the state changes nothing")
		}
	}
}

func mixedRuns() []tensor.Segment {
	return []tensor.Segment{{DType: tensor.F32, Elements: 700}, {DType: tensor.BF16, Elements: 333}, {DType: tensor.F16, Elements: 90}}
}

// Under clip no change counts for more than the limit, the sites it cuts are named, and the others count in full.
func TestClipVerdicts(t *testing.T) {
	f32 := func(x ...float32) (a aggregatetest.Artifact) {
		for _, v := range x {
			a = binary.LittleEndian.AppendUint32(a, math.Float32bits(v))
		}
		return a
	}
	r := aggregatetest.Round{
		Runs: []tensor.Segment{{DType: tensor.F32, Elements: 2}}, Base: f32(10, 10),
		Updates: []aggregatetest.Update{{Weight: 1, Data: f32(13, 14)}, {Weight: 1, Data: f32(10, 10)}, {Weight: 2, Data: f32(10, 1e6)}},
	}
	made, res := mustPlay(t, r, strategy(t, "clip+none"), 1, nil) // lengths 5, 0, 999990: the median is 5
	mustEqual(t, "model", made.Model, f32(10+3./4, 10+4./4+2*5./4))
	if res.Verdicts[0] != "" || res.Verdicts[1] != "" || !strings.Contains(res.Verdicts[2], "clipped to 5") {
		t.Errorf("verdicts %q", res.Verdicts)
	}
	made, _ = mustPlay(t, r, strategy(t, "clip+none+norm=2.5"), 1, nil)
	mustEqual(t, "model", made.Model, f32(10+3./8, 10+4./8+2*2.5/4))
	r.Updates = []aggregatetest.Update{{Weight: 1, Data: r.Base}, {Weight: 1, Data: r.Base}, {Weight: 1, Data: f32(11, 10)}}
	made, res = mustPlay(t, r, strategy(t, "clip+none"), 1, nil) // the median is 0
	mustEqual(t, "model", made.Model, r.Base)
	if res.Verdicts[2] == "" {
		t.Error("an update that counts nothing is not named")
	}
}

// The sum of a rule and its sums in groups are one definition.
func TestSumsInGroups(t *testing.T) {
	p := aggregatetest.PRNG(23)
	for _, n := range []int{1, 4, 5, 13, 300} { // of 300, tiles are smaller
		r := p.Round([]tensor.Segment{{DType: tensor.F32, Elements: 2500}, {DType: tensor.BF16, Elements: 700}}, n, aggregatetest.Ordinary, false, next32(&p))
		groups, _ := mustPlay(t, r, strategy(t, "fedavg+nesterov"), 1, nil)
		whole, _ := mustPlay(t, r, strategy(t, "test-sum+nesterov"), 1, nil)
		mustEqual(t, "model", whole.Model, groups.Model)
		mustEqual(t, "v", whole.State["v"], groups.State["v"])
	}
}

// Whatever the strategy, the first bad element by shard, input and element is the one that is blamed.
func TestStrategiesBlameAlike(t *testing.T) {
	names := []string{"clip+none", "fedavg+nesterov", "test-median+none"}
	rapid.Check(t, func(rt *rapid.T) {
		r, p := drawPlain(rt)
		spoil(r, p)
		shardElements := rapid.Uint64Range(1, 100).Draw(rt, "shardElements")
		var want *aggregate.NotFiniteError
		if _, err := fedAvg(t, r, shardElements, aggregatetest.Direct, 1); !errors.As(err, &want) {
			rt.Skip("what was spoilt is finite")
		}
		for _, name := range names {
			var got *aggregate.NotFiniteError
			_, _, err := play(r, strategy(t, name), shardElements, aggregatetest.Direct, 1, nil, 3)
			if !errors.As(err, &got) || *got != *want {
				rt.Fatalf("%s: %v, want %v", name, err, want)
			}
		}
	})
}

// A change that no float32 holds is refused, though base and update are finite.
func TestChangeBeyondFloat32(t *testing.T) {
	top := nearest(math.MaxFloat32, tensor.F32)
	bottom := nearest(-math.MaxFloat32, tensor.F32)
	r := aggregatetest.Round{
		Runs: []tensor.Segment{{DType: tensor.F32, Elements: 1}}, Base: bottom,
		Updates: []aggregatetest.Update{{Weight: 1, Data: bottom}, {Weight: 1, Data: top}},
	}
	for _, name := range []string{"clip+none", "fedavg+nesterov", "test-median+none"} {
		var bad *aggregate.NotFiniteError
		if _, _, err := play(r, strategy(t, name), 1, aggregatetest.Direct, 1, nil, 1); !errors.As(err, &bad) || bad.Input != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustFedAvg(t, r)
}

// An input that is not finite is blamed before a step that overflows, wherever both are in a shard.
func TestBlameBeforeOverflow(t *testing.T) {
	const elements = 3000
	base, update := make(aggregatetest.Artifact, 4*elements), make(aggregatetest.Artifact, 4*elements)
	copy(base, nearest(1e38, tensor.F32))
	copy(update, nearest(3e38, tensor.F32))
	copy(update[4*2999:], []byte{0, 0, 0x80, 0x7f})
	r := aggregatetest.Round{Runs: []tensor.Segment{{DType: tensor.F32, Elements: elements}}, Base: base, Updates: []aggregatetest.Update{{Weight: 1, Data: update}}}
	_, _, err := play(r, strategy(t, "fedavg+none+lr=2"), elements, aggregatetest.Direct, 1, nil, 1)
	var bad *aggregate.NotFiniteError
	if !errors.As(err, &bad) || bad.Element != 2999 {
		t.Error(err)
	}
}

// A step out of a type's range is nobody's fault, and no input is blamed.
func TestOverflow(t *testing.T) {
	big := nearest(3e38, tensor.F32)
	r := aggregatetest.Round{
		Runs: []tensor.Segment{{DType: tensor.F32, Elements: 1}}, Base: nearest(1e38, tensor.F32),
		Updates: []aggregatetest.Update{{Weight: 1, Data: big}},
	}
	for text, what := range map[string]string{"fedavg+none+lr=2": "the model", "fedavg+nesterov+lr=0.001": "state v"} {
		state := aggregatetest.State(nil)
		if what != "the model" {
			state = aggregatetest.State{"v": big}
		}
		_, _, err := play(r, strategy(t, text), 1, aggregatetest.Direct, 2, state, 1)
		var e *aggregate.OverflowError
		if !errors.As(err, &e) || e.What != what || errors.Is(err, aggregate.ErrNotFinite) || !errors.Is(err, aggregate.ErrOverflow) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Lengths of changes follow the definition to the last bit: eight sums of a shard, these in order, then the shards in order.
func TestLengths(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, _ := drawPlain(rt)
		shardElements := rapid.IntRange(1, 100).Draw(rt, "shardElements")
		job := r.Job(aggregate.Strategy{}, r.Cut(uint64(shardElements)), aggregatetest.Direct, 1, nil)
		got, err := aggregate.Squares(t.Context(), job, rapid.IntRange(1, 4).Draw(rt, "workers"))
		if err != nil {
			rt.Fatal(err)
		}
		for j, x := range changesOf(r) {
			if want := squareOf(x, shardElements); got[j] != want {
				rt.Fatalf("input %d: %v, want %v", j, got[j], want)
			}
		}
	})
}
