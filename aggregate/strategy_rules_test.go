package aggregate_test

import (
	"errors"
	"math"
	"slices"

	"github.com/weft-mesh/weft/aggregate"
)

// Rules of the tests: what anybody would write to add one, and all that they would write.

var _ = aggregate.RegisterRule("test-median", "the middle value of each element", nil,
	func(aggregate.Values) (aggregate.Rule, error) { return median{}, nil })

type median struct{}

func (median) Combine(out []float64, x [][]float64, _ []float64) {
	column := make([]float64, len(x))
	for e := range out {
		for i := range x {
			column[i] = x[i][e]
		}
		slices.Sort(column)
		n := len(column)
		out[e] = (column[(n-1)/2] + column[n/2]) / 2
	}
}

var _ = aggregate.RegisterRule("test-sum", "the weighted sum, of all inputs at once", nil,
	func(aggregate.Values) (aggregate.Rule, error) { return wholeSum{}, nil })

type wholeSum struct{}

func (wholeSum) Combine(out []float64, x [][]float64, coef []float64) {
	aggregate.Sum{}.Combine(out, x, coef)
}

var _ = aggregate.RegisterRule("test-refusing", "a rule that refuses two inputs", []aggregate.Param{{Name: "want", Doc: "which", Default: "0", Range: "[0, 2]"}},
	func(v aggregate.Values) (aggregate.Rule, error) { return refusing{want: int(v.Float("want"))}, nil })

type refusing struct {
	aggregate.Sum
	want int
}

func (r refusing) Judge(g *aggregate.Gram, in []aggregate.Meta) ([]float64, []string, error) {
	coef := make([]float64, g.Len())
	switch {
	case r.want == 0 && g.Len() == 2:
		return nil, nil, errors.New("too few inputs")
	case r.want == 1:
		coef = coef[1:]
	case r.want == 2:
		coef[1] = math.Inf(1)
	default:
		coef[0] = 1 / float64(len(in))
	}
	return coef, nil, nil
}
