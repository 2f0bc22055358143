package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tol*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// naive is the product in float64, by definition.
func naive(c, a, b Mat, add bool) []float32 {
	out := append([]float32(nil), c.Data...)
	for i := range c.Rows {
		for j := range c.Cols {
			var s float64
			if add {
				s = float64(c.Data[i*c.RowStride+j])
			}
			for p := range a.Cols {
				s += float64(a.Data[i*a.RowStride+p*a.ColStride]) * float64(b.Data[p*b.RowStride+j*b.ColStride])
			}
			out[i*c.RowStride+j] = float32(s)
		}
	}
	return out
}

// strided returns a random matrix, dense or with a gap after each row or column.
func strided(r *rand.Rand, rows, cols int) Mat {
	gap := r.IntN(4)
	if r.IntN(2) == 0 {
		return Mat{random(r, rows*(cols+gap)), rows, cols, cols + gap, 1}
	}
	return Mat{random(r, cols*(rows+gap)), rows, cols, 1, rows + gap}
}

func checkMul(t *testing.T, m, n, k int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	a, b := strided(r, m, k), strided(r, k, n)
	ldc := n + r.IntN(5)
	c := Mat{random(r, m*ldc), m, n, ldc, 1}
	add := r.IntN(2) == 0
	shape := Shape(r.IntN(4))
	for i := range m {
		for p := range k {
			if shape == LowerA && p > i || shape == UpperA && p < i {
				a.Data[i*a.RowStride+p*a.ColStride] = 0
			}
		}
	}
	want := naive(c, a, b, add)
	var p Packed
	p.Pack(b)
	Mul(c, a, &p, add, shape)
	if shape == LowerC {
		for i := range m {
			for j := i + 1; j < n; j++ {
				c.Data[i*ldc+j], want[i*ldc+j] = 0, 0
			}
		}
	}
	near(t, "product", c.Data, want, 1e-5*math.Sqrt(float64(k)))
}

func TestMul(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		checkMul(t, 1+r.IntN(40), 1+r.IntN(70), 1+r.IntN(50), seed)
	}
	checkMul(t, 128, 768, 128, 7)
}

func FuzzMul(f *testing.F) {
	f.Add(uint8(6), uint8(16), uint8(3), uint64(1))
	f.Add(uint8(8), uint8(9), uint8(1), uint64(2))
	f.Fuzz(func(t *testing.T, m, n, k uint8, seed uint64) {
		checkMul(t, int(m)+1, int(n)+1, int(k)+1, seed)
	})
}

func TestMulRefusesWrongSizes(t *testing.T) {
	var p Packed
	p.Pack(M(make([]float32, 6), 2, 3))
	for name, run := range map[string]func(){
		"inner":      func() { Mul(M(make([]float32, 9), 3, 3), M(make([]float32, 9), 3, 3), &p, false, Full) },
		"short data": func() { Mul(M(make([]float32, 8), 3, 3), M(make([]float32, 6), 3, 2), &p, false, Full) },
		"columns":    func() { Mul(M(make([]float32, 9), 3, 3).T(), M(make([]float32, 6), 3, 2), &p, false, Full) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			run()
		}()
	}
}

// TestVectorsMatchPortable runs every vector function against its definition in Go, at
// lengths with and without a rest.
func TestVectorsMatchPortable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{1, 7, 8, 9, 16, 31, 64, 100, 129} {
		a, b, c, d, e := random(r, n), random(r, n), random(r, n), random(r, n), random(r, n)
		one := func(v float32) []float32 { return []float32{v} }
		dup := func(x []float32) []float32 { return append([]float32(nil), x...) }
		near(t, "Dot", one(Dot(a, b)), one(dotGo(a, b)), 1e-5*float64(n))
		near(t, "Dot3", one(Dot3(a, b, c)), one(dot3Go(a, b, c)), 1e-5*float64(n))
		near(t, "Max", one(Max(a)), one(maxGo(a)), 0)
		for name, run := range map[string][2]func(x, y []float32){
			"Add":         {func(x, _ []float32) { Add(x, b) }, func(x, _ []float32) { addGo(x, b) }},
			"Scale":       {func(x, _ []float32) { Scale(x, 3) }, func(x, _ []float32) { scaleGo(x, 3) }},
			"ScaleMul":    {func(x, _ []float32) { ScaleMul(x, b, c, 3) }, func(x, _ []float32) { scaleMulGo(x, b, c, 3) }},
			"AddMul":      {func(x, _ []float32) { AddMul(x, b, c, 3) }, func(x, _ []float32) { addMulGo(x, b, c, 3) }},
			"NormBack":    {func(x, _ []float32) { NormBack(x, b, c, d, 2, 3) }, func(x, _ []float32) { normBackGo(x, b, c, d, 2, 3) }},
			"Rotate":      {func(x, y []float32) { Rotate(x, y, c, d) }, func(x, y []float32) { rotateGo(x, y, c, d) }},
			"ExpSum":      {func(x, y []float32) { y[0] = ExpSum(x, 1, 2) }, func(x, y []float32) { y[0] = expSumGo(x, 1, 2) }},
			"SoftmaxBack": {func(x, _ []float32) { SoftmaxBack(x, c, 1, 2) }, func(x, _ []float32) { softmaxBackGo(x, c, 1, 2) }},
			"SwiGLU":      {func(x, _ []float32) { SwiGLU(x, c, d) }, func(x, _ []float32) { swiGLUGo(x, c, d) }},
			"SwiGLUBack":  {func(x, y []float32) { SwiGLUBack(x, y, c, d, e) }, func(x, y []float32) { swiGLUBackGo(x, y, c, d, e) }},
		} {
			x1, y1, x2, y2 := dup(a), dup(b), dup(a), dup(b)
			run[0](x1, y1)
			run[1](x2, y2)
			near(t, name, x1, x2, 1e-5)
			near(t, name, y1, y2, 1e-5)
		}
		step := AdamStep{Beta1: .9, Beta2: .99, Rate: .01, Epsilon: 1e-8, Keep: .999}
		w1, m1, v1, w2, m2, v2 := dup(a), dup(b), dup(c), dup(a), dup(b), dup(c)
		for i := range v1 {
			v1[i] *= v1[i]
			v2[i] *= v2[i]
		}
		Adam(w1, m1, v1, d, step)
		adamGo(w2, m2, v2, d, step)
		near(t, "Adam w", w1, w2, 1e-5)
		near(t, "Adam m", m1, m2, 1e-5)
		near(t, "Adam v", v1, v2, 1e-5)
	}
}

func TestExp(t *testing.T) {
	x := make([]float32, 0, 4000)
	for v := float32(-86); v < 87; v += 0.05 {
		x = append(x, v)
	}
	vec := append([]float32(nil), x...)
	ExpSum(vec, 0, 1)
	for i, v := range x {
		want := math.Exp(float64(v))
		for name, got := range map[string]float32{"vector": vec[i], "portable": expGo(v)} {
			if math.Abs(float64(got)-want) > 3e-7*want {
				t.Fatalf("%s exp(%v) = %v, want %v", name, v, got, want)
			}
		}
	}
}

func benchMul(b *testing.B, m, n, k int, trans bool) {
	r := rand.New(rand.NewPCG(1, 1))
	a := M(random(r, m*k), m, k)
	if trans {
		a = M(random(r, m*k), k, m).T()
	}
	c := M(make([]float32, m*n), m, n)
	var p Packed
	p.Pack(M(random(r, k*n), k, n))
	for b.Loop() {
		Mul(c, a, &p, true, Full)
	}
	b.ReportMetric(2*float64(m)*float64(n)*float64(k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkMul128x384x128(b *testing.B)  { benchMul(b, 128, 384, 128, false) }
func BenchmarkMul128x768x128(b *testing.B)  { benchMul(b, 128, 768, 128, false) }
func BenchmarkMul128x128x768(b *testing.B)  { benchMul(b, 128, 128, 768, false) }
func BenchmarkMul768x128xT128(b *testing.B) { benchMul(b, 768, 128, 128, true) }
func BenchmarkMul128x128x32(b *testing.B)   { benchMul(b, 128, 128, 32, false) }
