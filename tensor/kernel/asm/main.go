// Command asm writes the kernels of package kernel: for amd64 with AVX2 and with AVX-512 by avo, for arm64 with NEON.
//
// It is a module of its own, so that weft's does not depend on avo; go generate in package kernel runs it, with the folder to
// write to as its argument.
package main

import (
	"errors"
	"os"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// units is how many vectors of float64s a block of elements has: as many sums are held in registers.
const units = 4

// element is a type of elements: how many bytes it has and, of a 16-bit type, how a float64 is rounded to it as in package tensor.
type element struct {
	name      string
	size      int
	dropped   uint64 // bits of fraction that it lacks
	rebias    uint64 // difference of the exponents' biases, in place
	minNormal uint64 // bits of its smallest normal as a float64
	magic     uint64 // bits of the float64 whose last bit is worth the smallest subnormal
	exponent  uint64 // all bits of its exponent
}

var elements = []element{
	{name: "F32", size: 4},
	{"F16", 2, 52 - 10, (1023 - 15) << 10, (1023 - 14) << 52, (1023 + 28) << 52, 0x7c00},
	{"BF16", 2, 52 - 7, (1023 - 127) << 7, (1023 - 126) << 52, (1023 - 81) << 52, 0x7f80},
}

func (e element) half() uint64 { return 1<<(e.dropped-1) - 1 }

// gen emits functions; the methods of the embedded context append one instruction each.
type gen struct {
	*build.Context
	consts map[uint64]operand.Mem
	places operand.Mem  // see avx2.order
	bad    reg.Register // where elements that are not finite are noted: a register of AVX2's, a mask of AVX-512's
}

func main() {
	g := &gen{Context: build.NewContext(), consts: map[uint64]operand.Mem{}}
	g.ConstraintExpr("!purego")
	for _, e := range elements {
		g.mean(e, avx2{g})
		g.mean(e, avx512{g})
	}
	g.f16c()
	g.finite(2)
	g.finite(4)
	if err := errors.Join(os.Chdir(os.Args[1]), g.write(), writeNEON()); err != nil {
		panic(err) // avo names the function and instruction at fault
	}
}

// write compiles what was emitted and writes the assembly and the Go declarations into the current folder.
func (g *gen) write() error {
	f, err := g.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return err
	}
	cfg := printer.Config{Name: "asm", Argv: []string{"go", "generate"}, Pkg: "kernel"}
	asm, errAsm := printer.NewGoAsm(cfg).Print(f)
	stubs, errStubs := printer.NewStubs(cfg).Print(f)
	if err := errors.Join(errAsm, errStubs); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile("kernel_amd64.s", asm, 0o644),
		os.WriteFile("kernel_amd64.go", stubs, 0o644))
}
