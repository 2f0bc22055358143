// Command asm writes the kernels of package kernel: for amd64 with AVX2 and FMA by avo,
// for arm64 the tiles of the matrix product.
//
// It is a module of its own, so that weft's does not depend on avo; go generate
// in package kernel runs it, with the folder to write to as its argument.
package main

import (
	"errors"
	"os"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lanes is the number of float32 in a YMM register, vecBytes their size.
const (
	lanes    = 8
	vecBytes = 32
)

// gen emits functions; the methods of the embedded context append one instruction each.
type gen struct {
	*build.Context
	consts map[string]operand.Mem
}

func main() {
	g := &gen{build.NewContext(), map[string]operand.Mem{}}
	g.ConstraintExpr("!purego")
	g.tiles()
	g.reductions()
	g.elementwise()
	g.activations()
	g.optimizer()
	if err := errors.Join(os.Chdir(os.Args[1]), g.write(), writeNEON()); err != nil {
		panic(err) // avo names the function and instruction at fault
	}
}

// begin opens a function of the given Go signature.
func (g *gen) begin(name, signature, doc string) {
	g.Function(name)
	g.Attributes(attr.NOSPLIT)
	g.Pragma("noescape")
	g.SignatureExpr(signature)
	g.Doc(doc)
}

func (g *gen) end() {
	g.VZEROUPPER()
	g.RET()
}

// arg loads a pointer or integer argument.
func (g *gen) arg(name string) reg.Register {
	return g.Load(g.Param(name), g.GP64())
}

// ptr loads a pointer argument as a memory operand.
func (g *gen) ptr(name string) operand.Mem {
	return operand.Mem{Base: g.arg(name)}
}

// scalar loads a float32 argument into every lane of a register.
func (g *gen) scalar(name string) reg.VecVirtual {
	v := g.YMM()
	a, err := g.Param(name).Resolve()
	if err != nil {
		panic(err) // the generator named a parameter that the signature lacks
	}
	g.VBROADCASTSS(a.Addr, v)
	return v
}

// zero returns a register of zeros.
func (g *gen) zero() reg.VecVirtual {
	v := g.YMM()
	g.VXORPS(v, v, v)
	return v
}

// load returns a register with the vector at m.
func (g *gen) load(m operand.Mem) reg.VecVirtual {
	v := g.YMM()
	g.VMOVUPS(m, v)
	return v
}

// each emits a loop over n elements, n a multiple of lanes, in which body handles
// one vector; every pointer in ptrs then moves on.
func (g *gen) each(n reg.Register, body func(), ptrs ...operand.Mem) {
	g.SHRQ(operand.U8(3), n)
	g.JZ(operand.LabelRef("done"))
	g.Label("loop")
	body()
	for _, p := range ptrs {
		g.ADDQ(operand.U32(vecBytes), p.Base)
	}
	g.DECQ(n)
	g.JNZ(operand.LabelRef("loop"))
	g.Label("done")
}
