package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Register blocking of the matrix product: six rows by two vectors need 12
// accumulators, 2 registers of B and 2 of broadcast A: all 16. (The scheme of
// Van Zee and van de Geijn, BLIS, ACM TOMS 41(3), 2015, for Haswell.)
const maxRows = 6

// tiles emits a tile function for every number of rows and both widths.
func (g *gen) tiles() {
	for rows := 1; rows <= maxRows; rows++ {
		for vecs := 1; vecs <= 2; vecs++ {
			g.tile(rows, vecs)
		}
	}
}

type tileGen struct {
	*gen
	rows, vecs int
	a          []operand.Mem // the current element of each row of A
	acs        reg.Register  // bytes from one column of A to the next
	aBases     []reg.Register
	b          operand.Mem
	acc        [][]reg.VecVirtual
}

// tile emits C += A·B or C = A·B for a tile of rows × 8·vecs elements.
func (g *gen) tile(rows, vecs int) {
	width := vecs * lanes
	g.begin(fmt.Sprintf("tile%dx%d", rows, width),
		"func(k int, a *float32, rs, cs int, b, c *float32, ldc int, add bool)",
		fmt.Sprintf("tile%dx%d computes %d rows and %d columns of a product over k; b is packed k×%d.", rows, width, rows, width, width))
	t := &tileGen{gen: g, rows: rows, vecs: vecs}
	k := g.arg("k")
	t.addresses()
	t.b = g.ptr("b")
	for range rows {
		var row []reg.VecVirtual
		for range vecs {
			row = append(row, g.zero())
		}
		t.acc = append(t.acc, row)
	}
	t.loops(k)
	t.store()
	g.end()
}

// addresses sets up A's rows: three are addressed from each of up to two bases.
func (t *tileGen) addresses() {
	base := t.arg("a")
	rs := t.arg("rs")
	t.acs = t.arg("cs")
	t.SHLQ(operand.U8(2), rs)
	t.SHLQ(operand.U8(2), t.acs)
	t.aBases = []reg.Register{base}
	if t.rows > 3 {
		second := t.GP64()
		t.LEAQ(operand.Mem{Base: rs, Index: rs, Scale: 2}, second)
		t.ADDQ(base, second)
		t.aBases = append(t.aBases, second)
	}
	for r := range t.rows {
		m := operand.Mem{Base: t.aBases[r/3]}
		if r%3 > 0 {
			m.Index, m.Scale = rs, uint8(r%3)
		}
		t.a = append(t.a, m)
	}
}

// loops runs over k, four steps at a time and then one by one.
func (t *tileGen) loops(k reg.Register) {
	const unroll = 4
	quads := t.GP64()
	t.MOVQ(k, quads)
	t.SHRQ(operand.U8(2), quads)
	t.JZ(operand.LabelRef("rest"))
	t.Label("quad")
	for u := range unroll {
		t.step(u)
	}
	t.ADDQ(operand.U32(unroll*t.vecs*vecBytes), t.b.Base)
	t.DECQ(quads)
	t.JNZ(operand.LabelRef("quad"))
	t.Label("rest")
	t.ANDQ(operand.U32(unroll-1), k)
	t.JZ(operand.LabelRef("store"))
	t.Label("one")
	t.step(0)
	t.ADDQ(operand.U32(t.vecs*vecBytes), t.b.Base)
	t.DECQ(k)
	t.JNZ(operand.LabelRef("one"))
	t.Label("store")
}

// step multiplies one column of A with one row of B, the u-th from where b points.
func (t *tileGen) step(u int) {
	var bs []reg.VecVirtual
	for v := range t.vecs {
		bs = append(bs, t.load(t.b.Offset((u*t.vecs+v)*vecBytes)))
	}
	for r := range t.rows {
		a := t.YMM()
		t.VBROADCASTSS(t.a[r], a)
		for v := range t.vecs {
			t.VFMADD231PS(bs[v], a, t.acc[r][v])
		}
	}
	for _, base := range t.aBases {
		t.ADDQ(t.acs, base)
	}
}

// store adds C's old values if asked to and writes the tile.
func (t *tileGen) store() {
	c := t.ptr("c")
	ldc := t.arg("ldc")
	t.SHLQ(operand.U8(2), ldc)
	add := t.Load(t.Param("add"), t.GP8())
	t.TESTB(add, add)
	t.JZ(operand.LabelRef("write"))
	old := t.GP64()
	t.MOVQ(c.Base, old)
	for r := range t.rows {
		for v := range t.vecs {
			t.VADDPS(operand.Mem{Base: old, Disp: v * vecBytes}, t.acc[r][v], t.acc[r][v])
		}
		t.ADDQ(ldc, old)
	}
	t.Label("write")
	for r := range t.rows {
		for v := range t.vecs {
			t.VMOVUPS(t.acc[r][v], c.Offset(v*vecBytes))
		}
		t.ADDQ(ldc, c.Base)
	}
}
