package report

import (
	"math"
	"testing"
)

func TestSpectralGap(t *testing.T) {
	for _, c := range []struct {
		name  string
		links [][]int64
		want  float64
		ok    bool
	}{
		{"nobody", nil, 0, false},
		{"one site", [][]int64{{0}}, 0, false},
		{"nothing sent", [][]int64{{0, 0}, {0, 0}}, 0, false},
		{"two sites", [][]int64{{0, 7}, {1, 0}}, 1, true},
		{"all alike", [][]int64{{0, 5, 5}, {5, 0, 5}, {5, 5, 0}}, 1, true},
		{"alike, and one that is away", [][]int64{{0, 5, 0, 5}, {5, 0, 0, 5}, {0, 0, 0, 0}, {5, 5, 0, 0}}, 1, true},
		{"a row of three", [][]int64{{0, 5, 0}, {5, 0, 5}, {0, 5, 0}}, 2.0 / 3, true},                        // eigenvalues 0, 1, 2
		{"a ring of four", [][]int64{{0, 5, 0, 5}, {5, 0, 5, 0}, {0, 5, 0, 5}, {5, 0, 5, 0}}, 3.0 / 4, true}, // 0, 1, 1, 2
		{"two parts", [][]int64{{0, 5, 0, 0}, {5, 0, 0, 0}, {0, 0, 0, 5}, {0, 0, 5, 0}}, 0, true},            // 0, 0, 2, 2
		{"all from one side", [][]int64{{0, 10, 10}, {0, 0, 10}, {0, 0, 0}}, 1, true},                        // what two send each other counts
		{"itself", [][]int64{{9, 5, 5}, {5, 9, 5}, {5, 5, 9}}, 1, true},                                      // does not count
	} {
		if got, ok := spectralGap(c.links); ok != c.ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
}
