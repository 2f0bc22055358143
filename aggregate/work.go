package aggregate

import (
	"fmt"
	"slices"
)

// Bounds on what a site gains by what it says of its steps.
const (
	maxBoost  = 10 // how much more a change may count than its weight says
	maxLonger = 2  // how much longer than the usual change one may get that counts more
)

// worked sets what each input counts by its steps, beside its weight: what it has changed in a step, times the steps of the round
// (Wang et al., "Tackling the Objective Inconsistency Problem", arXiv 2007.07481). A site may say any number. So:
//
//   - the steps of the round are the median of the inputs', not their mean, which one site that says 2^40 would drive;
//   - few steps boost a change to maxBoost of its weight at most;
//   - and not beyond maxLonger times the median of the lengths that the changes come to; but no change counts less than its
//     weight for that, or an honest site that is unlike the others would.
//
// With equal steps it is 1 for all, exactly. An input without steps counts as it is.
func worked(in []Meta, g *Gram) (counts []float64, verdicts []string) {
	counts, verdicts = make([]float64, len(in)), make([]string, len(in))
	var steps []uint64
	for _, m := range in {
		if m.Steps > 0 {
			steps = append(steps, m.Steps)
		}
	}
	slices.Sort(steps)
	usual := steps[(len(steps)-1)/2]
	lengths := make([]float64, len(in))
	for i, m := range in {
		counts[i] = 1
		if m.Steps > 0 {
			counts[i] = float64(usual) / float64(m.Steps)
		}
		if counts[i] > maxBoost {
			verdicts[i] = fmt.Sprintf("%d steps where %d are usual: it counts %d times its weight, not %.4g times", m.Steps, usual, maxBoost, counts[i])
			counts[i] = maxBoost
		}
		lengths[i] = float64(counts[i] * g.Norm(i))
	}
	limit := float64(maxLonger * median(lengths))
	for i := range counts {
		if counts[i] > 1 && lengths[i] > limit {
			counts[i] = max(1, limit/g.Norm(i))
			verdicts[i] = fmt.Sprintf("%d steps where %d are usual, and a long change: it counts %.3g times its weight", in[i].Steps, usual, counts[i])
		}
	}
	return counts, verdicts
}

// boxed reports whether inputs state steps: their changes count by them.
func (job Job) boxed() bool {
	return slices.ContainsFunc(job.Inputs, func(in Input) bool { return in.Steps > 0 })
}
