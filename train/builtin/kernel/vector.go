package kernel

// Each function here handles the largest multiple of eight elements in assembly where
// there is some, and the rest in Go.

// vectorised returns how many of n elements go to assembly.
func vectorised(n int) int {
	if !useAVX2 {
		return 0
	}
	return n &^ (half - 1)
}

// Dot returns the sum of x[i]·y[i].
func Dot(x, y []float32) (s float32) {
	y = y[:len(x)]
	n := vectorised(len(x))
	if n > 0 {
		s = dotAVX2(&x[0], &y[0], n)
	}
	return s + dotGo(x[n:], y[n:])
}

// Dot3 returns the sum of x[i]·y[i]·z[i].
func Dot3(x, y, z []float32) (s float32) {
	y, z = y[:len(x)], z[:len(x)]
	n := vectorised(len(x))
	if n > 0 {
		s = dot3AVX2(&x[0], &y[0], &z[0], n)
	}
	return s + dot3Go(x[n:], y[n:], z[n:])
}

// Max returns the largest element of x, which is not empty.
func Max(x []float32) float32 {
	n := vectorised(len(x))
	if n == 0 {
		return maxGo(x)
	}
	m := maxAVX2(&x[0], n)
	if n < len(x) {
		m = max(m, maxGo(x[n:]))
	}
	return m
}

// Add adds x to y.
func Add(y, x []float32) {
	y = y[:len(x)]
	n := vectorised(len(x))
	if n > 0 {
		addAVX2(&y[0], &x[0], n)
	}
	addGo(y[n:], x[n:])
}

// Scale multiplies x by s.
func Scale(x []float32, s float32) {
	n := vectorised(len(x))
	if n > 0 {
		scaleAVX2(&x[0], n, s)
	}
	scaleGo(x[n:], s)
}

// ScaleMul sets y[i] = s·x[i]·w[i].
func ScaleMul(y, x, w []float32, s float32) {
	y, w = y[:len(x)], w[:len(x)]
	n := vectorised(len(x))
	if n > 0 {
		scaleMulAVX2(&y[0], &x[0], &w[0], n, s)
	}
	scaleMulGo(y[n:], x[n:], w[n:], s)
}

// AddMul adds s·x[i]·w[i] to y[i].
func AddMul(y, x, w []float32, s float32) {
	y, w = y[:len(x)], w[:len(x)]
	n := vectorised(len(x))
	if n > 0 {
		addMulAVX2(&y[0], &x[0], &w[0], n, s)
	}
	addMulGo(y[n:], x[n:], w[n:], s)
}

// NormBack adds r·dy[i]·w[i] - c·x[i] to dx[i]: the backward step of RMSNorm.
func NormBack(dx, dy, w, x []float32, r, c float32) {
	dx, w, x = dx[:len(dy)], w[:len(dy)], x[:len(dy)]
	n := vectorised(len(dy))
	if n > 0 {
		normBackAVX2(&dx[0], &dy[0], &w[0], &x[0], n, r, c)
	}
	normBackGo(dx[n:], dy[n:], w[n:], x[n:], r, c)
}

// Rotate turns each point (x[i], y[i]) by the angle whose cosine and sine are given.
func Rotate(x, y, cos, sin []float32) {
	y, cos, sin = y[:len(x)], cos[:len(x)], sin[:len(x)]
	n := vectorised(len(x))
	if n > 0 {
		rotateAVX2(&x[0], &y[0], &cos[0], &sin[0], n)
	}
	rotateGo(x[n:], y[n:], cos[n:], sin[n:])
}

// ExpSum sets x[i] = exp((x[i]-top)·scale) and returns the sum. Exponents are held
// between -87 and 88.
func ExpSum(x []float32, top, scale float32) (s float32) {
	n := vectorised(len(x))
	if n > 0 {
		s = expSumAVX2(&x[0], n, top, scale)
	}
	return s + expSumGo(x[n:], top, scale)
}

// SoftmaxBack sets ds[i] = (ds[i]-mean)·p[i]·scale: the backward step of softmax.
func SoftmaxBack(ds, p []float32, mean, scale float32) {
	p = p[:len(ds)]
	n := vectorised(len(ds))
	if n > 0 {
		softmaxBackAVX2(&ds[0], &p[0], n, mean, scale)
	}
	softmaxBackGo(ds[n:], p[n:], mean, scale)
}

// SwiGLU sets h[i] = silu(gate[i])·up[i], silu(x) = x/(1+exp(-x)) (Shazeer, arXiv 2002.05202).
func SwiGLU(h, gate, up []float32) {
	gate, up = gate[:len(h)], up[:len(h)]
	n := vectorised(len(h))
	if n > 0 {
		swiGLUAVX2(&h[0], &gate[0], &up[0], n)
	}
	swiGLUGo(h[n:], gate[n:], up[n:])
}

// SwiGLUBack sets the gradients of gate and up from that of SwiGLU's result.
func SwiGLUBack(dgate, dup, dh, gate, up []float32) {
	dgate, dup, gate, up = dgate[:len(dh)], dup[:len(dh)], gate[:len(dh)], up[:len(dh)]
	n := vectorised(len(dh))
	if n > 0 {
		swiGLUBackAVX2(&dgate[0], &dup[0], &dh[0], &gate[0], &up[0], n)
	}
	swiGLUBackGo(dgate[n:], dup[n:], dh[n:], gate[n:], up[n:])
}

// AdamStep holds the numbers of one step of AdamW (Loshchilov and Hutter, arXiv
// 1711.05101), bias correction and learning rate folded in:
// w = Keep·w - Rate·m/(√v+Epsilon).
type AdamStep struct {
	Beta1, Beta2, Rate, Epsilon, Keep float32
}

// Adam makes one step on w with gradient grad; m and v are the running moments.
func Adam(w, m, v, grad []float32, a AdamStep) {
	m, v, grad = m[:len(w)], v[:len(w)], grad[:len(w)]
	n := vectorised(len(w))
	if n > 0 {
		adamAVX2(&w[0], &m[0], &v[0], &grad[0], n, a.Beta1, a.Beta2, a.Rate, a.Epsilon, a.Keep)
	}
	adamGo(w[n:], m[n:], v[n:], grad[n:], a)
}
