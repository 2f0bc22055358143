package aggregate

import (
	"math"
	"testing"
)

// Rules get no -0, and are not called with what is not finite as a float32.
func TestChangeOf(t *testing.T) {
	negative := float32(math.Copysign(0, -1))
	x := []float64{7, 7, 7, 7}
	if !changeOf(x, []float32{negative, negative, 0, 3}, []float32{0, negative, 0, 1}) {
		t.Error("not finite")
	}
	for k, want := range []float64{0, 0, 0, 2} {
		if math.Float64bits(x[k]) != math.Float64bits(want) {
			t.Errorf("element %d: %v, want %v", k, x[k], want)
		}
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, bad := range [][2]float32{{inf, 0}, {0, inf}, {nan, 0}, {inf, inf}, {math.MaxFloat32, -math.MaxFloat32}} {
		if changeOf(x[:2], []float32{bad[0], 1}, []float32{bad[1], 1}) {
			t.Errorf("%v is finite", bad)
		}
		if addChangeOf(x[:2], 0, []float32{1, bad[0]}, []float32{1, bad[1]}) {
			t.Errorf("%v is finite when added", bad)
		}
	}
}
