// Package dirichlet draws from the symmetric distribution of Dirichlet, by which data is dealt unevenly to sites.
package dirichlet

import (
	"math"
	"math/rand/v2"
)

// Draw draws n parts of a whole from Dirichlet(alpha, ..., alpha): gammas over their sum, as logarithms. distmv.Dirichlet
// of gonum divides the gammas themselves: at the smallest alpha that a scenario may have, one draw in ten is 0/0.
func Draw(rng *rand.Rand, n int, alpha float64) []float64 {
	logs := make([]float64, n)
	most := math.Inf(-1)
	for i := range logs {
		logs[i] = logGamma(rng, alpha)
		most = max(most, logs[i])
	}
	sum := 0.0
	for i := range logs {
		logs[i] = math.Exp(logs[i] - most)
		sum += logs[i]
	}
	for i := range logs {
		logs[i] /= sum
	}
	return logs
}

// logGamma draws the logarithm of a Gamma(alpha, 1) number, by Marsaglia and Tsang, "A simple method for
// generating gamma variables" (2000); small shapes are had from larger ones by a power of a uniform,
// and as logarithms do not vanish.
func logGamma(rng *rand.Rand, alpha float64) float64 {
	if alpha < 1 {
		return logGamma(rng, alpha+1) + math.Log(1-rng.Float64())/alpha
	}
	d := alpha - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return math.Log(d) + math.Log(v)
		}
	}
}
