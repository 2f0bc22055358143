package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors is what AVX2 and AVX-512 do in different ways.
type vectors interface {
	name() string
	bytes() int // of a register
	vec() reg.VecVirtual
	narrow() reg.VecVirtual           // a register of half the size
	upper(v, into reg.VecVirtual)     // the upper half
	zero(v reg.VecVirtual)            // +0 everywhere
	and(m operand.Op, v reg.Register) // v &= m
	or(m operand.Op, v reg.Register)
	start()                                               // no element is bad so far
	badF32(f reg.VecVirtual)                              // notes elements with all bits of the exponent, in a narrow register
	badHalf(e element, h reg.VecVirtual)                  // notes halves that are not finite, in 64 bits each
	below(e element, mag, then, otherwise reg.VecVirtual) // otherwise = then, where the magnitude is no normal one of the type
	pack(h []reg.VecVirtual, to operand.Mem)              // stores the low 16 bits of 64-bit elements
	good(r reg.Register)                                  // r = 1 if nothing is bad, else 0
}

// constant returns 64 bits in every lane, placed in read-only data once.
func (g *gen) constant(bits uint64) operand.Mem {
	m, ok := g.consts[bits]
	if !ok {
		m = g.StaticGlobal(fmt.Sprintf("c%016x", bits))
		g.DataAttributes(attr.RODATA | attr.NOPTR)
		for range 8 {
			g.AppendDatum(operand.U64(bits))
		}
		g.consts[bits] = m
	}
	return m
}

// begin opens a function of the given Go signature.
func (g *gen) begin(name, signature, doc string) {
	g.Function(name)
	g.Attributes(attr.NOSPLIT)
	g.Pragma("noescape")
	g.SignatureExpr(signature)
	g.Doc(doc)
}

func (g *gen) arg(name string) reg.Register { return g.Load(g.Param(name), g.GP64()) }

// mean emits Kernel.Mean for a type: a block of elements at a time, whose sums stay in registers while the inputs are gone through.
func (g *gen) mean(e element, v vectors) {
	name := "mean" + e.name + v.name()
	g.begin(name, "func(out *byte, acc *float64, x *[]byte, w *float64, inputs, n int, total float64, first bool) (finite bool)",
		name+" is Kernel.Mean for n elements, whole blocks; without out the sums stay in acc.")
	lanes := v.bytes() / 8
	out, acc, x, w, inputs, n := g.arg("out"), g.arg("acc"), g.arg("x"), g.arg("w"), g.arg("inputs"), g.arg("n")
	first := g.Load(g.Param("first"), g.GP8())
	total := v.vec()
	a, err := g.Param("total").Resolve()
	if err != nil {
		panic(err) // the signature lacks it
	}
	g.VBROADCASTSD(a.Addr, total)
	at := g.GP64() // in bytes of the inputs
	g.XORQ(at, at)
	v.start()
	sums := make([]reg.VecVirtual, units)
	for u := range sums {
		sums[u] = v.vec()
	}

	g.Label("block")
	g.TESTB(first, first)
	g.JZ(operand.LabelRef("more"))
	for _, s := range sums {
		v.zero(s)
	}
	g.JMP(operand.LabelRef("inputs"))
	g.Label("more")
	for u, s := range sums {
		g.VMOVUPD(operand.Mem{Base: acc, Disp: u * v.bytes()}, s)
	}
	g.Label("inputs")
	g.eachInput(e, v, x, w, inputs, at, sums)

	g.TESTQ(out, out)
	g.JZ(operand.LabelRef("keep"))
	for _, s := range sums {
		g.VDIVPD(total, s, s)
	}
	g.store(e, v, sums, out)
	g.ADDQ(operand.U32(units*lanes*e.size), out)
	g.JMP(operand.LabelRef("next"))
	g.Label("keep")
	for u, s := range sums {
		g.VMOVUPD(s, operand.Mem{Base: acc, Disp: u * v.bytes()})
	}
	g.Label("next")
	g.ADDQ(operand.U32(units*v.bytes()), acc)
	g.ADDQ(operand.U32(units*lanes*e.size), at)
	g.SUBQ(operand.U32(units*lanes), n)
	g.JNZ(operand.LabelRef("block"))

	finite := g.GP8()
	v.good(finite)
	g.Store(finite, g.ReturnIndex(0))
	g.VZEROUPPER()
	g.RET()
}

// eachInput adds the products of a block with their weights, one input after the other.
func (g *gen) eachInput(e element, v vectors, x, w, inputs, at reg.Register, sums []reg.VecVirtual) {
	const header = 24 // bytes of a slice's header, which begins with the address
	nextX, nextW, left, p := g.GP64(), g.GP64(), g.GP64(), g.GP64()
	weight := v.vec()
	g.MOVQ(x, nextX)
	g.MOVQ(w, nextW)
	g.MOVQ(inputs, left)
	g.Label("input")
	g.MOVQ(operand.Mem{Base: nextX}, p)
	g.VBROADCASTSD(operand.Mem{Base: nextW}, weight)
	lanes := v.bytes() / 8
	from := func(u int) operand.Mem {
		return operand.Mem{Base: p, Index: at, Scale: 1, Disp: u * lanes * e.size}
	}
	for u := 0; u < units; u += 2 {
		low, high := v.vec(), v.vec()
		if e.name == "F32" {
			g.VCVTPS2PD(from(u), low)
			g.VCVTPS2PD(from(u+1), high)
		} else {
			g.widen(e, v, from(u), low, high)
		}
		for k, value := range []reg.VecVirtual{low, high} {
			g.VMULPD(weight, value, value)
			g.VADDPD(value, sums[u+k], sums[u+k])
		}
	}
	g.ADDQ(operand.U8(header), nextX)
	g.ADDQ(operand.U8(8), nextW)
	g.DECQ(left)
	g.JNZ(operand.LabelRef("input"))
}

// widen loads two vectors of 16-bit elements, as float64s.
func (g *gen) widen(e element, v vectors, from operand.Mem, low, high reg.VecVirtual) {
	f, upper := v.vec(), v.narrow()
	if e.name == "F16" {
		g.VCVTPH2PS(from, f)
	} else {
		g.VPMOVZXWD(from, f)
		g.VPSLLD(operand.U8(16), f, f)
	}
	v.upper(f, upper)
	if v.bytes() == 64 {
		g.VCVTPS2PD(f.AsY(), low)
	} else {
		g.VCVTPS2PD(f.AsX(), low)
	}
	g.VCVTPS2PD(upper, high)
}

// store rounds quotients to elements.
func (g *gen) store(e element, v vectors, q []reg.VecVirtual, out reg.Register) {
	if e.name == "F32" {
		for u := range q {
			f := v.narrow()
			if v.bytes() == 64 {
				g.VCVTPD2PS(q[u], f)
			} else {
				g.VCVTPD2PSY(q[u], f)
			}
			g.VMOVUPS(f, operand.Mem{Base: out, Disp: u * v.bytes() / 2})
			v.badF32(f)
		}
		return
	}
	for u := range q {
		g.round(e, v, q[u])
	}
	v.pack(q, operand.Mem{Base: out})
}

// round replaces quotients by their 16-bit elements, in 64 bits each: as tensor.Float64ToBF16 and Float64ToF16 do, both ways of
// which are gone for all lanes.
func (g *gen) round(e element, v vectors, q reg.VecVirtual) {
	sign, normal, subnormal := v.vec(), v.vec(), v.vec()
	g.VPSRLQ(operand.U8(48), q, sign)
	v.and(g.constant(0x8000), sign)
	v.and(g.constant(1<<63-1), q)

	g.VPSRLQ(operand.U8(e.dropped), q, normal)
	v.and(g.constant(1), normal)
	g.VPADDQ(q, normal, normal)
	g.VPADDQ(g.constant(e.half()), normal, normal)
	g.VPSRLQ(operand.U8(e.dropped), normal, normal)
	g.VPSUBQ(g.constant(e.rebias), normal, normal)

	g.VADDPD(g.constant(e.magic), q, subnormal)
	g.VPSUBQ(g.constant(e.magic), subnormal, subnormal)
	v.below(e, q, subnormal, normal)
	v.badHalf(e, normal)
	v.or(sign, normal)
	if v.bytes() == 64 {
		g.VMOVDQA64(normal, q)
	} else {
		g.VMOVDQA(normal, q)
	}
}
