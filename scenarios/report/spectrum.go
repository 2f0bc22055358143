package report

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// spectralGap says how well a mesh is knit: it is the second smallest eigenvalue of the normalized Laplacian of the
// graph whose edges weigh what two sites have sent each other, over that of a graph whose edges are all alike. So
// it is 1 if every two sites exchange as much, and 0 if the sites fall into parts that exchange nothing. Sites that
// have exchanged nothing with anybody are left out; ok is false if no two remain.
func spectralGap(links [][]int64) (gap float64, ok bool) {
	degrees := make([]float64, len(links))
	both := func(i, j int) float64 { return float64(links[i][j]) + float64(links[j][i]) }
	var live []int
	for i := range links {
		for j := range links {
			if i != j {
				degrees[i] += both(i, j)
			}
		}
		if degrees[i] > 0 {
			live = append(live, i)
		}
	}
	n := len(live)
	if n < 2 {
		return 0, false
	}
	laplacian := mat.NewSymDense(n, nil)
	for a, i := range live {
		laplacian.SetSym(a, a, 1)
		for b, j := range live[:a] {
			laplacian.SetSym(a, b, -both(i, j)/math.Sqrt(degrees[i]*degrees[j]))
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(laplacian, false) {
		return 0, false
	}
	second := eigen.Values(nil)[1] // they ascend
	return max(0, second*float64(n-1)/float64(n)), true
}
