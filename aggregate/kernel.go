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

// changeOf sets x to what the updates u changed of the base, and reports whether none of it exceeds the largest
// float32. A -0 becomes +0, so that rules may order what they get.
func changeOf(x []float64, u, base []float32) (finite bool) {
	u, base = u[:len(x)], base[:len(x)]
	finite = true
	for k := range x {
		d := float64(u[k]) - float64(base[k]) + 0
		x[k] = d
		if !(math.Abs(d) <= math.MaxFloat32) {
			finite = false
		}
	}
	return finite
}

// addChange adds a change to the accumulators, with its coefficient.
func addChange(acc []float64, coef float64, x []float64) {
	x = x[:len(acc)]
	for k, a := range acc {
		acc[k] = a + float64(coef*x[k])
	}
}

// addChangeOf is changeOf and addChange in one. It returns false at the first element that exceeds the largest float32. A -0 may
// stay: it changes no sum that began with +0.
func addChangeOf(acc []float64, coef float64, u, base []float32) (finite bool) {
	u, base = u[:len(acc)], base[:len(acc)]
	for k, a := range acc {
		d := float64(u[k]) - float64(base[k])
		if !(math.Abs(d) <= math.MaxFloat32) {
			return false
		}
		acc[k] = a + float64(coef*d)
	}
	return true
}

// addSquares adds the squares of changes, as float32s, to eight sums: element e of the shard to sum e mod 8. The first element
// of x is the shard's element first.
func addSquares(sums *[8]float64, first int, x []float64) {
	for k, v := range x {
		if (first+k)%8 == 0 && len(x)-k >= 8 {
			addSquares8(sums, x[k:])
			return
		}
		d := float64(float32(v))
		sums[(first+k)%8] += float64(d * d)
	}
}

// addSquares8 is addSquares from a multiple of 8 on.
func addSquares8(sums *[8]float64, x []float64) {
	s := *sums
	for ; len(x) >= 8; x = x[8:] {
		for lane, v := range x[:8] {
			d := float64(float32(v))
			s[lane] += float64(d * d)
		}
	}
	for lane, v := range x {
		d := float64(float32(v))
		s[lane] += float64(d * d)
	}
	*sums = s
}

// widen sets dst to the same values.
func widen(dst []float64, src []float32) {
	dst = dst[:len(src)]
	for k, v := range src {
		dst[k] = float64(v)
	}
}
