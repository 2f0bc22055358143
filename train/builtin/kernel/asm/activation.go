package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vector returns a constant in every lane, placed in read-only data once. It is written
// as bits: a whole number in decimal would be read as an integer.
func (g *gen) vector(name string, v float32) operand.Mem {
	m, ok := g.consts[name]
	if !ok {
		m = g.StaticGlobal(name)
		g.DataAttributes(attr.RODATA | attr.NOPTR)
		for range lanes {
			g.AppendDatum(operand.U32(math.Float32bits(v)))
		}
		g.consts[name] = m
	}
	return m
}

// expCoefficients are those of the Cephes library's expf, of the highest power first.
var expCoefficients = []struct {
	name  string
	value float32
}{
	{"expP0", 1.9875691500e-4},
	{"expP1", 1.3981999507e-3},
	{"expP2", 8.3334519073e-3},
	{"expP3", 4.1665795894e-2},
	{"expP4", 1.6666665459e-1},
	{"expP5", 5.0000001201e-1},
}

// exp replaces x by its exponential: x = n·ln2 + r, a polynomial in r, and n added to
// the exponent. Arguments are held within the range of normal numbers.
func (g *gen) exp(x reg.VecVirtual) {
	n, p := g.YMM(), g.YMM()
	g.VMAXPS(g.vector("expMin", -87), x, x)
	g.VMINPS(g.vector("expMax", 88), x, x)
	g.VMULPS(g.vector("log2e", 1.44269504088896341), x, n)
	g.VROUNDPS(operand.U8(0), n, n)
	g.VFNMADD231PS(g.vector("ln2hi", 0.693359375), n, x)
	g.VFNMADD231PS(g.vector("ln2lo", -2.12194440e-4), n, x)
	for i, c := range expCoefficients {
		m := g.vector(c.name, c.value)
		if i == 0 {
			g.VMOVUPS(m, p)
			continue
		}
		g.VFMADD213PS(m, x, p)
	}
	square := g.YMM()
	g.VMULPS(x, x, square)
	g.VFMADD213PS(x, square, p)
	g.VADDPS(g.vector("one", 1), p, p)
	g.VCVTPS2DQ(n, n)
	g.VPSLLD(operand.U8(23), n, n)
	g.VPADDD(n, p, x)
}

// activations emits softmax and SwiGLU, forward and backward.
func (g *gen) activations() {
	g.begin("expSumAVX2", "func(x *float32, n int, top, scale float32) float32", "expSumAVX2 is expSumGo for n%8 == 0.")
	x, n := g.ptr("x"), g.arg("n")
	top, scale, sum := g.scalar("top"), g.scalar("scale"), g.zero()
	g.each(n, func() {
		v := g.load(x)
		g.VSUBPS(top, v, v)
		g.VMULPS(scale, v, v)
		g.exp(v)
		g.VADDPS(v, sum, sum)
		g.VMOVUPS(v, x)
	}, x)
	g.returnSum(sum)

	g.begin("softmaxBackAVX2", "func(ds, p *float32, n int, mean, scale float32)", "softmaxBackAVX2 is softmaxBackGo for n%8 == 0.")
	ds, p, n := g.ptr("ds"), g.ptr("p"), g.arg("n")
	mean, scale := g.scalar("mean"), g.scalar("scale")
	g.each(n, func() {
		v := g.load(ds)
		g.VSUBPS(mean, v, v)
		g.VMULPS(p, v, v)
		g.VMULPS(scale, v, v)
		g.VMOVUPS(v, ds)
	}, ds, p)
	g.end()
	g.swiGLU()
	g.swiGLUBack()
}

// sigmoid returns 1/(1+exp(-x)).
func (g *gen) sigmoid(x reg.VecVirtual) reg.VecVirtual {
	one, s := g.load(g.vector("one", 1)), g.zero()
	g.VSUBPS(x, s, s)
	g.exp(s)
	g.VADDPS(one, s, s)
	g.VDIVPS(s, one, s)
	return s
}

func (g *gen) swiGLU() {
	g.begin("swiGLUAVX2", "func(h, gate, up *float32, n int)", "swiGLUAVX2 is swiGLUGo for n%8 == 0.")
	h, gate, up, n := g.ptr("h"), g.ptr("gate"), g.ptr("up"), g.arg("n")
	g.each(n, func() {
		x := g.load(gate)
		s := g.sigmoid(x)
		g.VMULPS(x, s, s)
		g.VMULPS(up, s, s)
		g.VMOVUPS(s, h)
	}, h, gate, up)
	g.end()
}

// swiGLUBack: with s the sigmoid, d(gate) = dh·up·s·(1 + gate·(1-s)), d(up) = dh·gate·s.
func (g *gen) swiGLUBack() {
	g.begin("swiGLUBackAVX2", "func(dgate, dup, dh, gate, up *float32, n int)", "swiGLUBackAVX2 is swiGLUBackGo for n%8 == 0.")
	dgate, dup, dh := g.ptr("dgate"), g.ptr("dup"), g.ptr("dh")
	gate, up, n := g.ptr("gate"), g.ptr("up"), g.arg("n")
	g.each(n, func() {
		x := g.load(gate)
		s := g.sigmoid(x)
		ds, d := g.YMM(), g.load(dh)
		g.VMULPS(s, d, ds)
		one := g.load(g.vector("one", 1))
		slope := g.YMM()
		g.VSUBPS(s, one, slope)
		g.VFMADD213PS(one, x, slope)
		g.VMULPS(ds, slope, slope)
		g.VMULPS(up, slope, slope)
		g.VMULPS(x, ds, ds)
		g.VMOVUPS(slope, dgate)
		g.VMOVUPS(ds, dup)
	}, dgate, dup, dh, gate, up)
	g.end()
}

// optimizer emits one step of AdamW.
func (g *gen) optimizer() {
	g.begin("adamAVX2", "func(w, m, v, grad *float32, n int, b1, b2, lr, eps, keep float32)", "adamAVX2 is adamGo for n%8 == 0.")
	w, m, v, grad, n := g.ptr("w"), g.ptr("m"), g.ptr("v"), g.ptr("grad"), g.arg("n")
	b1, b2, lr := g.scalar("b1"), g.scalar("b2"), g.scalar("lr")
	eps, keep := g.scalar("eps"), g.scalar("keep")
	g.each(n, func() {
		d := g.load(grad)
		m1, v1 := g.load(m), g.load(v)
		t := g.YMM()
		g.VSUBPS(d, m1, m1) // m = d + b1·(m-d)
		g.VFMADD213PS(d, b1, m1)
		g.VMULPS(d, d, t)
		g.VSUBPS(t, v1, v1)
		g.VFMADD213PS(t, b2, v1)
		g.VMOVUPS(m1, m)
		g.VMOVUPS(v1, v)
		g.VSQRTPS(v1, t)
		g.VADDPS(eps, t, t)
		g.VDIVPS(t, m1, m1)
		g.VMULPS(lr, m1, m1)
		x := g.YMM()
		g.VMULPS(w, keep, x)
		g.VSUBPS(m1, x, x)
		g.VMOVUPS(x, w)
	}, w, m, v, grad)
	g.end()
}
