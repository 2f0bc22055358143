package llama

import (
	"math"

	"github.com/weft-mesh/weft/train/builtin/kernel"
)

// forward computes the logits of the byte after each of tokens, at most Context of them.
func (p *pass) forward(tokens []byte) {
	m, d := p.m, p.m.Dim
	p.n, p.tokens = len(tokens), tokens
	x := p.layers[0].x
	for i, tok := range tokens {
		copy(x[i*d:][:d], m.embed[int(tok)*d:][:d])
	}
	for i := range m.layers {
		l, a := &m.layers[i], &p.layers[i]
		p.norm(a.n1, a.r1, a.x, l.norm1)
		p.linear(a.qkv, a.n1, &l.stacks[stackQKV], false)
		p.rotate(a.qkv, m.sin)
		for h := range m.Heads {
			p.attend(a, h)
		}
		copy(a.x1, a.x[:p.n*d])
		p.linear(a.x1, a.ao, &l.stacks[stackOutput], true)
		p.norm(a.n2, a.r2, a.x1, l.norm2)
		p.linear(a.gu, a.n2, &l.stacks[stackGateUp], false)
		f := m.Hidden
		for t := range p.n {
			gu := a.gu[2*t*f:][:2*f]
			kernel.SwiGLU(a.h[t*f:][:f], gu[:f], gu[f:])
		}
		next := p.last
		if i+1 < m.Layers {
			next = p.layers[i+1].x
		}
		copy(next, a.x1[:p.n*d])
		p.linear(next, a.h, &l.stacks[stackDown], true)
	}
	p.norm(p.normed, p.rlast, p.last, m.norm)
	p.linear(p.logits, p.normed, &m.head, false)
}

// linear sets y = x·Wᵀ, or adds it.
func (p *pass) linear(y, x []float32, w *matrix, add bool) {
	kernel.Mul(p.rows(y, w.out), p.rows(x, w.in), &w.forward, add, kernel.Full)
}

// norm is RMSNorm: y = x·r·w with r the reciprocal root mean square of x's row.
func (p *pass) norm(y, r, x, w []float32) {
	d := len(w)
	for t := range p.n {
		row := x[t*d:][:d]
		r[t] = float32(1 / math.Sqrt(float64(kernel.Dot(row, row))/float64(d)+normEps))
		kernel.ScaleMul(y[t*d:][:d], row, w, r[t])
	}
}

// rotate turns queries and keys by their position; with minusSin it turns them back.
func (p *pass) rotate(qkv, sin []float32) {
	d, hd := p.m.Dim, p.m.headDim()
	half := hd / 2
	for t := range p.n {
		cos, sin := p.m.cos[t*half:][:half], sin[t*half:][:half]
		qk := qkv[3*t*d:][:2*d]
		for lo := 0; lo < 2*d; lo += hd {
			kernel.Rotate(qk[lo:][:half], qk[lo+half:][:half], cos, sin)
		}
	}
}

// attend computes one head: softmax(q·kᵀ/√headDim)·v over positions up to the own.
func (p *pass) attend(a *activations, h int) {
	n, d, hd, ctx := p.n, p.m.Dim, p.m.headDim(), p.m.Context
	weights := kernel.M(a.p[h*ctx*ctx:][:n*n], n, n)
	p.pk.Pack(p.head(a.qkv, 1, h).T())
	kernel.Mul(weights, p.head(a.qkv, 0, h), &p.pk, false, kernel.LowerC)
	scale := p.scale()
	for t := range n {
		row := weights.Data[t*n:][:n]
		seen := row[:t+1]
		sum := kernel.ExpSum(seen, kernel.Max(seen), scale)
		kernel.Scale(seen, 1/sum)
		clearTile(row, t)
	}
	p.pv.Pack(p.head(a.qkv, 2, h))
	out := p.rows(a.ao, d).Columns(h*hd, (h+1)*hd)
	kernel.Mul(out, weights, &p.pv, false, kernel.LowerA)
}

func (p *pass) scale() float32 { return float32(1 / math.Sqrt(float64(p.m.headDim()))) }

// clearTile zeroes what a tile of a triangular product may read beyond the diagonal of row t.
func clearTile(row []float32, t int) {
	clear(row[t+1 : min(len(row), t+kernel.TileRows)])
}

// loss turns logits into their gradient, scaled by weight, and returns the sum over positions of the
// cross entropy in nats, and at how many the likeliest byte is the true one. target[i] is the byte that
// followed tokens[i].
func (p *pass) loss(target []byte, weight float32) (sum float64, right int) {
	for t := range p.n {
		row := p.logits[t*Vocab:][:Vocab]
		top := kernel.Max(row)
		truth := row[target[t]]
		if truth >= top {
			right++
		}
		total := kernel.ExpSum(row, top, 1)
		sum += math.Log(float64(total)) + float64(top-truth)
		kernel.Scale(row, weight/total)
		row[target[t]] -= weight
	}
	return sum, right
}
