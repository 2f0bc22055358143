package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reductions emits the functions that yield one number.
func (g *gen) reductions() {
	g.begin("dotAVX2", "func(x, y *float32, n int) float32", "dotAVX2 is dotGo for n%8 == 0.")
	x, y, n := g.ptr("x"), g.ptr("y"), g.arg("n")
	sum := g.zero()
	g.each(n, func() {
		g.VFMADD231PS(y, g.load(x), sum)
	}, x, y)
	g.returnSum(sum)

	g.begin("dot3AVX2", "func(x, y, z *float32, n int) float32", "dot3AVX2 is dot3Go for n%8 == 0.")
	x, y, n = g.ptr("x"), g.ptr("y"), g.arg("n")
	z := g.ptr("z")
	sum = g.zero()
	g.each(n, func() {
		v := g.load(x)
		g.VMULPS(y, v, v)
		g.VFMADD231PS(z, v, sum)
	}, x, y, z)
	g.returnSum(sum)

	g.begin("maxAVX2", "func(x *float32, n int) float32", "maxAVX2 is maxGo for n%8 == 0, n > 0.")
	x, n = g.ptr("x"), g.arg("n")
	top := g.load(x)
	g.each(n, func() { g.VMAXPS(x, top, top) }, x)
	g.fold(top, g.VMAXPS)
	g.Store(top.AsX(), g.ReturnIndex(0))
	g.end()
}

// fold combines the lanes of v into its lowest with op.
func (g *gen) fold(v reg.VecVirtual, op func(...operand.Op)) {
	h := g.XMM()
	g.VEXTRACTF128(operand.U8(1), v, h)
	op(h, v.AsX(), v.AsX())
	g.VMOVHLPS(v.AsX(), v.AsX(), h)
	op(h, v.AsX(), v.AsX())
	g.VMOVSHDUP(v.AsX(), h)
	op(h, v.AsX(), v.AsX())
}

func (g *gen) returnSum(sum reg.VecVirtual) {
	g.fold(sum, g.VADDPS)
	g.Store(sum.AsX(), g.ReturnIndex(0))
	g.end()
}

// elementwise emits the linear functions of vectors.
func (g *gen) elementwise() {
	g.begin("addAVX2", "func(y, x *float32, n int)", "addAVX2 is addGo for n%8 == 0.")
	y, x, n := g.ptr("y"), g.ptr("x"), g.arg("n")
	g.each(n, func() {
		v := g.load(x)
		g.VADDPS(y, v, v)
		g.VMOVUPS(v, y)
	}, y, x)
	g.end()

	g.begin("scaleAVX2", "func(x *float32, n int, s float32)", "scaleAVX2 is scaleGo for n%8 == 0.")
	x, n = g.ptr("x"), g.arg("n")
	s := g.scalar("s")
	g.each(n, func() {
		v := g.YMM()
		g.VMULPS(x, s, v)
		g.VMOVUPS(v, x)
	}, x)
	g.end()

	g.begin("scaleMulAVX2", "func(y, x, w *float32, n int, s float32)", "scaleMulAVX2 is scaleMulGo for n%8 == 0.")
	y, x, n = g.ptr("y"), g.ptr("x"), g.arg("n")
	w := g.ptr("w")
	s = g.scalar("s")
	g.each(n, func() {
		v := g.YMM()
		g.VMULPS(x, s, v)
		g.VMULPS(w, v, v)
		g.VMOVUPS(v, y)
	}, y, x, w)
	g.end()

	g.begin("addMulAVX2", "func(y, x, w *float32, n int, s float32)", "addMulAVX2 is addMulGo for n%8 == 0.")
	y, x, n = g.ptr("y"), g.ptr("x"), g.arg("n")
	w = g.ptr("w")
	s = g.scalar("s")
	g.each(n, func() {
		v, sum := g.YMM(), g.load(y)
		g.VMULPS(x, s, v)
		g.VFMADD231PS(w, v, sum)
		g.VMOVUPS(sum, y)
	}, y, x, w)
	g.end()
	g.normBack()
	g.rope()
}

func (g *gen) normBack() {
	g.begin("normBackAVX2", "func(dx, dy, w, x *float32, n int, r, c float32)", "normBackAVX2 is normBackGo for n%8 == 0.")
	dx, dy, w, x, n := g.ptr("dx"), g.ptr("dy"), g.ptr("w"), g.ptr("x"), g.arg("n")
	r, c := g.scalar("r"), g.scalar("c")
	g.each(n, func() {
		v, sum := g.YMM(), g.load(dx)
		g.VMULPS(dy, r, v)
		g.VFMADD231PS(w, v, sum)
		g.VFNMADD231PS(x, c, sum)
		g.VMOVUPS(sum, dx)
	}, dx, dy, w, x)
	g.end()
}

// rope rotates the pairs (x[i], y[i]).
func (g *gen) rope() {
	g.begin("rotateAVX2", "func(x, y, cos, sin *float32, n int)", "rotateAVX2 is rotateGo for n%8 == 0.")
	x, y, cos, sin, n := g.ptr("x"), g.ptr("y"), g.ptr("cos"), g.ptr("sin"), g.arg("n")
	g.each(n, func() {
		a, b, c, s := g.load(x), g.load(y), g.load(cos), g.load(sin)
		u, v := g.YMM(), g.YMM()
		g.VMULPS(c, a, u)
		g.VFNMADD231PS(s, b, u)
		g.VMULPS(c, b, v)
		g.VFMADD231PS(s, a, v)
		g.VMOVUPS(u, x)
		g.VMOVUPS(v, y)
	}, x, y, cos, sin)
	g.end()
}
