package aggregate

import "math"

// Every product below stands in an explicit float64(...), so that it is rounded on its own;
// see the package documentation. The slices of one call have equal lengths.

// add1 adds one input to the accumulators.
func add1(acc []float64, w float64, x []float32) {
	x = x[:len(acc)]
	for k, a := range acc {
		acc[k] = a + float64(w*float64(x[k]))
	}
}

// add2 adds two inputs to the accumulators, one after the other.
func add2(acc []float64, w0, w1 float64, x0, x1 []float32) {
	x0, x1 = x0[:len(acc)], x1[:len(acc)]
	for k, a := range acc {
		a = a + float64(w0*float64(x0[k]))
		a = a + float64(w1*float64(x1[k]))
		acc[k] = a
	}
}

// addLate adds a late input, carried over from its own base to the round's. It returns
// false at the first element whose magnitude is then above limit, or that is NaN.
func addLate(acc []float64, w float64, x, own, base []float32, limit float64) bool {
	x, own, base = x[:len(acc)], own[:len(acc)], base[:len(acc)]
	for k, a := range acc {
		v := carry(x[k], own[k], base[k])
		if !(math.Abs(v) <= limit) {
			return false
		}
		acc[k] = a + float64(w*v)
	}
	return true
}

// carry returns x, trained from own, as if trained from base.
func carry(x, own, base float32) float64 {
	return float64(float64(base) + float64(float64(x)-float64(own)))
}
