package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exponentsF32 is all bits of the exponents of two F32s.
const exponentsF32 = 0x7f800000_7f800000

type avx2 struct{ *gen }

func (avx2) name() string                   { return "AVX2" }
func (avx2) bytes() int                     { return 32 }
func (g avx2) vec() reg.VecVirtual          { return g.YMM() }
func (g avx2) narrow() reg.VecVirtual       { return g.XMM() }
func (g avx2) upper(v, into reg.VecVirtual) { g.VEXTRACTF128(operand.U8(1), v, into) }
func (g avx2) zero(v reg.VecVirtual)        { g.VXORPD(v, v, v) }

func (g avx2) and(m operand.Op, v reg.Register) { g.VPAND(m, v, v) }
func (g avx2) or(m operand.Op, v reg.Register)  { g.VPOR(m, v, v) }

func (g avx2) start() {
	g.bad = g.YMM()
	g.VPXOR(g.bad, g.bad, g.bad)
}

func (g avx2) badF32(f reg.VecVirtual) {
	exponents := g.constant(exponentsF32)
	g.VPAND(exponents, f, f)
	g.VPCMPEQD(exponents, f, f)
	g.VPOR(f.AsY(), g.bad, g.bad) // the upper half of f is 0
}

func (g avx2) badHalf(e element, h reg.VecVirtual) {
	k := g.YMM()
	g.VPCMPGTQ(g.constant(e.exponent-1), h, k)
	g.VPOR(k, g.bad, g.bad)
}

func (g avx2) below(e element, mag, then, otherwise reg.VecVirtual) {
	k := g.YMM()
	g.VMOVDQU(g.constant(e.minNormal), k)
	g.VPCMPGTQ(mag, k, k)
	g.VBLENDVPD(k, then, otherwise, otherwise)
}

func (g avx2) pack(h []reg.VecVirtual, to operand.Mem) {
	// Each step packs within the halves of registers; the last one puts pairs of elements in order.
	g.VPACKUSDW(h[1], h[0], h[0])
	g.VPACKUSDW(h[3], h[2], h[2])
	g.VPACKUSDW(h[2], h[0], h[0])
	order := g.YMM()
	g.VMOVDQU(g.order(), order)
	g.VPERMD(h[0], order, h[0])
	g.VMOVDQU(h[0], to)
}

// order returns the places of 32-bit elements that pack takes them from.
func (g avx2) order() operand.Mem {
	if g.places.Base == nil {
		g.places = g.StaticGlobal("places")
		g.DataAttributes(attr.RODATA | attr.NOPTR)
		for _, k := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
			g.AppendDatum(operand.U32(k))
		}
	}
	return g.places
}

func (g avx2) good(r reg.Register) {
	g.VPTEST(g.bad, g.bad)
	g.SETEQ(r)
}

type avx512 struct{ *gen }

func (avx512) name() string                   { return "AVX512" }
func (avx512) bytes() int                     { return 64 }
func (g avx512) vec() reg.VecVirtual          { return g.ZMM() }
func (g avx512) narrow() reg.VecVirtual       { return g.YMM() }
func (g avx512) upper(v, into reg.VecVirtual) { g.VEXTRACTF64X4(operand.U8(1), v, into) }
func (g avx512) zero(v reg.VecVirtual)        { g.VXORPD(v, v, v) }

func (g avx512) and(m operand.Op, v reg.Register) { g.VPANDQ(m, v, v) }
func (g avx512) or(m operand.Op, v reg.Register)  { g.VPORQ(m, v, v) }

func (g avx512) start() {
	g.bad = g.K()
	g.KXORW(g.bad, g.bad, g.bad)
}

func (g avx512) badF32(f reg.VecVirtual) {
	exponents, k := g.constant(exponentsF32), g.K()
	g.VPANDD(exponents, f, f)
	g.VPCMPEQD(exponents, f, k)
	g.KORW(k, g.bad, g.bad)
}

func (g avx512) badHalf(e element, h reg.VecVirtual) {
	const notLess = 5
	k := g.K()
	g.VPCMPUQ(operand.U8(notLess), g.constant(e.exponent), h, k)
	g.KORW(k, g.bad, g.bad)
}

func (g avx512) below(e element, mag, then, otherwise reg.VecVirtual) {
	const less = 1
	k := g.K()
	g.VPCMPUQ(operand.U8(less), g.constant(e.minNormal), mag, k)
	g.VPBLENDMQ(then, otherwise, k, otherwise)
}

func (g avx512) pack(h []reg.VecVirtual, to operand.Mem) {
	for u := range h {
		g.VPMOVQW(h[u], to.Offset(16*u))
	}
}

func (g avx512) good(r reg.Register) {
	g.KORTESTW(g.bad, g.bad)
	g.SETEQ(r)
}

// f16c emits the question whether VCVTPH2PS is there, which golang.org/x/sys/cpu answers in its newer versions only.
func (g *gen) f16c() {
	const leaf, bit = 1, 29
	g.Function("f16c")
	g.Attributes(attr.NOSPLIT)
	g.SignatureExpr("func() bool")
	g.Doc("f16c says whether the processor converts 16-bit floats.")
	g.MOVL(operand.U32(leaf), reg.EAX)
	g.XORL(reg.ECX, reg.ECX)
	g.CPUID()
	g.SHRL(operand.U8(bit), reg.ECX)
	g.ANDL(operand.U8(1), reg.ECX)
	g.Store(reg.CL, g.ReturnIndex(0))
	g.RET()
}

// finite emits Kernel.Finite for elements of so many bytes. AVX2 reads as fast as memory gives.
func (g *gen) finite(size int) {
	const unroll = 4
	name := map[int]string{2: "finite16AVX2", 4: "finite32AVX2"}[size]
	g.begin(name, "func(p *byte, n int, exponents uint32) bool",
		name+" says whether in n bytes, whole blocks of 128, no element has all bits of the exponent; exponents has them for 4 bytes.")
	p, n := g.arg("p"), g.arg("n")
	pattern, exponents := g.XMM(), g.YMM()
	g.VMOVD(g.Load(g.Param("exponents"), g.GP32()), pattern)
	g.VPBROADCASTD(pattern, exponents)
	found := make([]reg.VecVirtual, unroll)
	for u := range found {
		found[u] = g.YMM()
		g.VPXOR(found[u], found[u], found[u])
	}
	g.Label("block")
	for u := range found {
		v := g.YMM()
		g.VPAND(operand.Mem{Base: p, Disp: 32 * u}, exponents, v)
		if size == 2 {
			g.VPCMPEQW(exponents, v, v)
		} else {
			g.VPCMPEQD(exponents, v, v)
		}
		g.VPOR(v, found[u], found[u])
	}
	g.ADDQ(operand.U32(32*unroll), p)
	g.SUBQ(operand.U32(32*unroll), n)
	g.JNZ(operand.LabelRef("block"))
	for u := 1; u < unroll; u++ {
		g.VPOR(found[u], found[0], found[0])
	}
	r := g.GP8()
	g.VPTEST(found[0], found[0])
	g.SETEQ(r)
	g.Store(r, g.ReturnIndex(0))
	g.VZEROUPPER()
	g.RET()
}
