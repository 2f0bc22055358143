package aggregatetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// ParseStrategy returns the strategy that a text such as clip+nesterov+lr=0.5 stands for: a rule, an outer step, parameters.
func ParseStrategy(text string) (aggregate.Strategy, error) {
	parts := strings.Split(text, "+")
	params := map[string]string{}
	for _, p := range parts[min(2, len(parts)):] {
		name, value, _ := strings.Cut(p, "=")
		params[name] = value
	}
	return aggregate.NewStrategy(parts[0], strings.Join(parts[1:min(2, len(parts))], ""), params)
}

// goldenRuns are runs of several rounds, made as [Goldens] are.
func goldenRuns() []goldenRun {
	mixed := []tensor.Segment{
		{DType: tensor.F32, Elements: 701}, {DType: tensor.BF16, Elements: 333}, {DType: tensor.F16, Elements: 5},
		{DType: tensor.F32, Elements: 1}, {DType: tensor.BF16, Elements: 2001}, {DType: tensor.F16, Elements: 1400},
	}
	f32 := []tensor.Segment{{DType: tensor.F32, Elements: 4000}}
	return []goldenRun{
		{"mixed", 1, func(p *PRNG) Round {
			return p.Round(mixed, 7, Ordinary, false, func() uint64 { return p.Next()%5000 + 1 })
		}},
		{"subnormal", 2, func(p *PRNG) Round {
			return p.Round(mixed, 4, Subnormal, false, func() uint64 { return p.Next()%5000 + 1 })
		}},
		{"opposed", 3, func(p *PRNG) Round {
			r := p.Round(f32, 8, Ordinary, false, func() uint64 { return p.Next()>>15 | 1 }).Opposed()
			r.Base = make(Artifact, len(r.Base)) // so that changes are opposed too
			return r
		}},
	}
}

type goldenRun struct {
	name  string
	seed  PRNG
	round func(p *PRNG) Round // its base is the first model
}

// GoldenRounds is how many rounds the golden runs have.
const GoldenRounds = 3

// GoldenStrategy plays the golden runs with a strategy. It returns a line for each model and slot of each round, with its CID.
func GoldenStrategy(text string) (lines string, err error) {
	s, err := ParseStrategy(text)
	if err != nil {
		return "", err
	}
	for _, run := range goldenRuns() {
		var before Made
		for number := uint64(1); number <= GoldenRounds; number++ {
			r := run.round(&run.seed)
			if number > 1 {
				r.Base = before.Model
			}
			var made Made
			job := r.Job(s, r.Cut(GoldenShard), Direct, number, before.State)
			if _, err := aggregate.Reduce(context.Background(), job, made.Sink()); err != nil {
				return lines, fmt.Errorf("%s, %s, round %d: %w", text, run.name, number, err)
			}
			lines += fmt.Sprintf("%s %d model %s\n", run.name, number, block.Sum(block.Raw, made.Model))
			for _, slot := range slices.Sorted(maps.Keys(made.State)) {
				lines += fmt.Sprintf("%s %d %s %s\n", run.name, number, slot, block.Sum(block.Raw, made.State[slot]))
			}
			before = made
		}
	}
	return lines, nil
}
