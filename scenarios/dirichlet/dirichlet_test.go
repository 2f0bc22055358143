package dirichlet_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distmv"

	"github.com/weft-mesh/weft/scenarios/dirichlet"
)

// TestDraw: each part of a draw is distributed as gonum draws it, by the test of Kolmogorov and Smirnov.
func TestDraw(t *testing.T) {
	const draws = 4000
	for _, alpha := range []float64{0.1, 1, 10} {
		rng := rand.New(rand.NewPCG(1, 3))
		reference := distmv.NewDirichlet([]float64{alpha, alpha, alpha}, rand.NewPCG(2, 3))
		ours, theirs := make([][]float64, 3), make([][]float64, 3)
		for range draws {
			a, b := dirichlet.Draw(rng, 3, alpha), reference.Rand(nil)
			for k := range 3 {
				ours[k], theirs[k] = append(ours[k], a[k]), append(theirs[k], b[k])
			}
		}
		for k := range 3 {
			slices.Sort(ours[k])
			slices.Sort(theirs[k])
			if d := stat.KolmogorovSmirnov(ours[k], nil, theirs[k], nil); d > 1.95*math.Sqrt(2.0/draws) { // one in a thousand
				t.Errorf("alpha %v, part %d: the distributions are %.4f apart", alpha, k, d)
			}
		}
	}
}

// TestDrawSmall: the smallest alpha of a scenario gives mixes all the same.
func TestDrawSmall(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for range 1000 {
		sum := 0.0
		for _, part := range dirichlet.Draw(rng, 3, 0.001) {
			sum += part
		}
		if !(math.Abs(sum-1) < 1e-9) {
			t.Fatalf("the parts are %v in all", sum)
		}
	}
}
