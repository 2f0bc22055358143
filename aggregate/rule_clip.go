package aggregate

import (
	"fmt"
	"slices"
)

var _ = RegisterRule("clip", `the weighted mean of changes that are cut to a length

change = sum of c_i x_i with c_i = (w_i/W) min(1, C/|x_i|): a change that is longer than C
counts as if it were C long, so no site moves the model by more than its weight's part of C.
C is the median of the round's lengths unless the run names a number. Weights do not sum
to 1 where something is clipped: the model moves less.
Norm clipping as in Sun et al., "Can You Really Backdoor Federated Learning?"
(arXiv 1911.07963).`,
	[]Param{{
		Name: "norm", Doc: "C, the length that changes are cut to; median is that of the round's changes",
		Default: "median", Range: "(0, 1e300]", Word: "median",
	}},
	func(v Values) (Rule, error) { return clip{norm: v.Float("norm"), median: v.IsWord("norm")}, nil })

// clip is a weighted sum in which long changes count less.
type clip struct {
	Sum
	norm   float64
	median bool
}

// Judge implements Judge.
func (c clip) Judge(g *Gram, in []Meta) (coef []float64, verdicts []string, err error) {
	limit := c.norm
	if c.median {
		limit = medianNorm(g)
	}
	coef, verdicts = shares(in), make([]string, len(in))
	for i := range coef {
		if norm := g.Norm(i); norm > limit {
			part := limit / norm
			coef[i] = float64(coef[i] * part)
			verdicts[i] = fmt.Sprintf("its change is %.4g long, clipped to %.4g: it counts %.3g of its weight", norm, limit, part)
		}
	}
	return coef, verdicts, nil
}

// medianNorm returns the middle one of the changes' lengths, of an even number the middle between two.
func medianNorm(g *Gram) float64 {
	norms := make([]float64, g.Len())
	for i := range norms {
		norms[i] = g.Norm(i)
	}
	return median(norms)
}

// median returns the middle one of numbers, of an even number the middle between two.
func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
