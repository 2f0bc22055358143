package llama

import "github.com/weft-mesh/weft/train/builtin/kernel"

// pass runs one sequence at a time forward and backward. It owns the activations;
// one goroutine uses it.
type pass struct {
	m      *Model
	n      int // positions of the current sequence
	tokens []byte
	layers []activations
	last   []float32 // residual stream after the layers
	normed []float32
	rlast  []float32
	logits []float32 // [n, Vocab]; their gradient after loss

	// gradients of what the backward step is working on
	dx, dn, dao, dh, dqkv, dgu, ds []float32
	// packed operands of the product at hand
	pk, pv, px kernel.Packed
}

// activations is what one layer leaves for its backward step.
type activations struct {
	x, n1, ao, x1, n2 []float32 // [n, Dim]: input, normed, attention, after it, normed
	qkv               []float32 // [n, 3·Dim], q and k rotated
	p                 []float32 // [heads, Context, Context] attention weights
	gu                []float32 // [n, 2·Hidden]: gate, up
	h                 []float32 // [n, Hidden]
	r1, r2            []float32 // [n] reciprocal root mean squares
}

func newPass(m *Model) *pass {
	t, d, f := m.Context, m.Dim, m.Hidden
	buf := func(n int) []float32 { return make([]float32, n) }
	p := &pass{m: m, layers: make([]activations, m.Layers)}
	for i := range p.layers {
		p.layers[i] = activations{
			x: buf(t * d), n1: buf(t * d), ao: buf(t * d), x1: buf(t * d), n2: buf(t * d),
			qkv: buf(3 * t * d), p: buf(m.Heads * t * t), gu: buf(2 * t * f), h: buf(t * f),
			r1: buf(t), r2: buf(t),
		}
	}
	p.last, p.normed, p.rlast, p.logits = buf(t*d), buf(t*d), buf(t), buf(t*Vocab)
	p.dx, p.dn, p.dao, p.dh = buf(t*d), buf(t*d), buf(t*d), buf(t*f)
	p.dqkv, p.dgu, p.ds = buf(3*t*d), buf(2*t*f), buf(t*t)
	return p
}

// rows returns the current positions of a buffer with the given channels.
func (p *pass) rows(x []float32, channels int) kernel.Mat {
	return kernel.M(x[:p.n*channels], p.n, channels)
}

// head returns the columns of one head in part (0 query, 1 key, 2 value) of a buffer of 3·Dim channels.
func (p *pass) head(x []float32, part, head int) kernel.Mat {
	hd := p.m.headDim()
	lo := part*p.m.Dim + head*hd
	return p.rows(x, 3*p.m.Dim).Columns(lo, lo+hd)
}
