package aggregate

import "math"

// Rule makes of n sites' changes one. It keeps nothing from call to call: it is called for tiles of at most 1024 elements, in
// any order, on several goroutines.
type Rule interface {
	// Combine sets out[e] from the changes x[i][e] of the inputs, in seal order, and their coefficients. No change exceeds
	// the largest float32, and none is -0. It may use x as scratch.
	Combine(out []float64, x [][]float64, coef []float64)
}

// Judge is a Rule that looks at whole vectors first, and says how much each input counts. Without it coef[i] is the weight of
// input i, divided by the sum of the weights.
type Judge interface {
	Rule
	// Judge returns the coefficients, which are finite. verdicts says of each input why it counts less than its weight, "" if it
	// does not, or is nil: it is to be shown, not agreed on. An error says that the rule cannot be followed with such inputs; it
	// follows from them alone, so it is the same at every site.
	Judge(g *Gram, in []Meta) (coef []float64, verdicts []string, err error)
}

// Meta is what a seal says of an update.
type Meta struct{ Weight, Steps uint64 }

// Gram is what the changes are as whole vectors. So far it knows their lengths: products of different changes come with the
// first rule that compares changes with one another.
type Gram struct{ squares []float64 }

// Len returns the number of inputs.
func (g *Gram) Len() int { return len(g.squares) }

// Norm returns the Euclidean length of the change of input i, by the package's arithmetic; it is finite.
func (g *Gram) Norm(i int) float64 { return math.Sqrt(g.squares[i]) }

// Sum is the Combine of rules that are weighted sums, which embed it:
//
//	out = +0
//	for each input in seal order:
//	        out = out + coef*x
//
// The driver knows such rules and adds up their inputs in groups, so that memory does not grow with the inputs. It does so
// itself: a rule that embeds Sum must have no Combine of its own.
type Sum struct{}

// Combine implements Rule.
func (Sum) Combine(out []float64, x [][]float64, coef []float64) {
	clear(out)
	for i := range x {
		addChange(out, coef[i], x[i])
	}
}

func (Sum) sum() {}

// weightedSum is a rule that embeds Sum.
type weightedSum interface {
	Rule
	sum()
}

// shares returns each input's part of the weights.
func shares(in []Meta) []float64 {
	var total uint64
	for _, m := range in {
		total += m.Weight
	}
	coef := make([]float64, len(in))
	for i, m := range in {
		coef[i] = float64(m.Weight) / float64(total)
	}
	return coef
}
