package kernel

import "math"

// The functions here define what the assembly computes, and stand in for it.

// tileGo computes C (+)= A·B for one tile: rows × width, over k.
func tileGo(rows, width, k int, a []float32, rs, cs int, b, c []float32, ldc int, add bool) {
	for r := range rows {
		for q := 0; q < width; q += 4 {
			var s0, s1, s2, s3 float32
			o := r * rs
			for p := range k {
				x, y := a[o], b[p*width+q:][:4]
				s0 += x * y[0]
				s1 += x * y[1]
				s2 += x * y[2]
				s3 += x * y[3]
				o += cs
			}
			row := c[r*ldc+q:][:4]
			if add {
				s0, s1, s2, s3 = s0+row[0], s1+row[1], s2+row[2], s3+row[3]
			}
			row[0], row[1], row[2], row[3] = s0, s1, s2, s3
		}
	}
}

func dotGo(x, y []float32) (s float32) {
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

func dot3Go(x, y, z []float32) (s float32) {
	for i, v := range x {
		s += v * y[i] * z[i]
	}
	return s
}

func maxGo(x []float32) float32 {
	m := x[0]
	for _, v := range x[1:] {
		m = max(m, v)
	}
	return m
}

func addGo(y, x []float32) {
	for i, v := range x {
		y[i] += v
	}
}

func scaleGo(x []float32, s float32) {
	for i := range x {
		x[i] *= s
	}
}

func scaleMulGo(y, x, w []float32, s float32) {
	for i, v := range x {
		y[i] = v * s * w[i]
	}
}

func addMulGo(y, x, w []float32, s float32) {
	for i, v := range x {
		y[i] += v * s * w[i]
	}
}

func normBackGo(dx, dy, w, x []float32, r, c float32) {
	for i, v := range dy {
		dx[i] += v*r*w[i] - c*x[i]
	}
}

func rotateGo(x, y, cos, sin []float32) {
	for i, a := range x {
		b := y[i]
		x[i] = a*cos[i] - b*sin[i]
		y[i] = b*cos[i] + a*sin[i]
	}
}

func expSumGo(x []float32, top, scale float32) (s float32) {
	for i, v := range x {
		x[i] = expGo((v - top) * scale)
		s += x[i]
	}
	return s
}

func softmaxBackGo(ds, p []float32, mean, scale float32) {
	for i, v := range ds {
		ds[i] = (v - mean) * p[i] * scale
	}
}

func swiGLUGo(h, gate, up []float32) {
	for i, x := range gate {
		h[i] = x / (1 + expGo(-x)) * up[i]
	}
}

func swiGLUBackGo(dgate, dup, dh, gate, up []float32) {
	for i, x := range gate {
		s := 1 / (1 + expGo(-x))
		d := dh[i]
		dgate[i] = d * up[i] * s * (1 + x*(1-s))
		dup[i] = d * x * s
	}
}

func adamGo(w, m, v, grad []float32, a AdamStep) {
	for i, d := range grad {
		m[i] = d + a.Beta1*(m[i]-d)
		v[i] = d*d + a.Beta2*(v[i]-d*d)
		w[i] = w[i]*a.Keep - a.Rate*m[i]/(float32(math.Sqrt(float64(v[i])))+a.Epsilon)
	}
}

// expGo is the exponential function to about two units in the last place, by the method of the Cephes
// library's expf; its argument is held between -87 and 88.
func expGo(x float32) float32 {
	const (
		log2e = 1.44269504088896341
		ln2hi = 0.693359375
		ln2lo = -2.12194440e-4
		round = 3 << 22 // adding it to a small float32 rounds that to a whole number
	)
	x = min(max(x, -87), 88)
	n := x*log2e + round
	n -= round
	x -= n * ln2hi
	x -= n * ln2lo
	p := float32(1.9875691500e-4)
	p = p*x + 1.3981999507e-3
	p = p*x + 8.3334519073e-3
	p = p*x + 4.1665795894e-2
	p = p*x + 1.6666665459e-1
	p = p*x + 5.0000001201e-1
	p = p*x*x + x + 1
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}
