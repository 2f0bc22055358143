package llama

import "github.com/weft-mesh/weft/train/builtin/kernel"

// sink receives the gradients of weights during a backward pass: all of them (full
// training) or those of an adapter.
type sink interface {
	// into says where the gradients are added, laid out as the trained parameters are.
	into(grad []float32)
	// linear takes the gradient dy of a map's result and its input x. stack counts from 0 within
	// the layer; the head is layer -1.
	linear(p *pass, layer, stack int, w *matrix, dy, x []float32)
	// norm returns where to add the gradient of a norm's weights: layer's first or
	// second, or the last for layer -1; nil if it is not wanted.
	norm(layer, which int) []float32
	// embed returns where to add the gradient of the embedding, nil if it is not wanted; then
	// no gradient of the first layer's input is computed.
	embed() []float32
}

// backward runs after loss and hands the weights' gradients to s.
func (p *pass) backward(s sink) {
	m, d := p.m, p.m.Dim
	s.linear(p, -1, 0, &m.head, p.logits, p.normed)
	p.linearBack(p.dn, p.logits, &m.head)
	clear(p.dx[:p.n*d])
	p.normBack(p.dn, p.last, m.norm, p.rlast, s.norm(-1, 0))
	for i := m.Layers - 1; i >= 0; i-- {
		p.layerBack(s, i)
	}
	if g := s.embed(); g != nil {
		for t, tok := range p.tokens {
			kernel.Add(g[int(tok)*d:][:d], p.dx[t*d:][:d])
		}
	}
}

// layerBack takes p.dx from the layer's output to its input.
func (p *pass) layerBack(s sink, i int) {
	m, l, a := p.m, &p.m.layers[i], &p.layers[i]
	// feed-forward: x' = x1 + down(silu(gate(n2))·up(n2))
	down, gateUp := &l.stacks[stackDown], &l.stacks[stackGateUp]
	s.linear(p, i, stackDown, down, p.dx, a.h)
	p.linearBack(p.dh, p.dx, down)
	f := m.Hidden
	for t := range p.n {
		gu, dgu := a.gu[2*t*f:][:2*f], p.dgu[2*t*f:][:2*f]
		kernel.SwiGLUBack(dgu[:f], dgu[f:], p.dh[t*f:][:f], gu[:f], gu[f:])
	}
	s.linear(p, i, stackGateUp, gateUp, p.dgu, a.n2)
	p.linearBack(p.dn, p.dgu, gateUp)
	p.normBack(p.dn, a.x1, l.norm2, a.r2, s.norm(i, 1))

	// attention: x1 = x + output(attention(qkv(n1)))
	out, qkv := &l.stacks[stackOutput], &l.stacks[stackQKV]
	s.linear(p, i, stackOutput, out, p.dx, a.ao)
	p.linearBack(p.dao, p.dx, out)
	for h := range m.Heads {
		p.attendBack(a, h)
	}
	p.rotate(p.dqkv, m.minusSin)
	s.linear(p, i, stackQKV, qkv, p.dqkv, a.n1)
	if i == 0 && s.embed() == nil {
		return
	}
	p.linearBack(p.dn, p.dqkv, qkv)
	p.normBack(p.dn, a.x, l.norm1, a.r1, s.norm(i, 0))
}

// linearBack sets dx = dy·W.
func (p *pass) linearBack(dx, dy []float32, w *matrix) {
	kernel.Mul(p.rows(dx, w.in), p.rows(dy, w.out), &w.backward, false, kernel.Full)
}

// normBack adds to p.dx the gradient of a norm's input x, and to dw that of its weights.
func (p *pass) normBack(dy, x, w, r, dw []float32) {
	d := len(w)
	for t := range p.n {
		dyr, xr := dy[t*d:][:d], x[t*d:][:d]
		c := r[t] * r[t] * r[t] / float32(d) * kernel.Dot3(dyr, w, xr)
		kernel.NormBack(p.dx[t*d:][:d], dyr, w, xr, r[t], c)
		if dw != nil {
			kernel.AddMul(dw, dyr, xr, r[t])
		}
	}
}

// attendBack fills one head's columns of p.dqkv from p.dao.
func (p *pass) attendBack(a *activations, h int) {
	n, d, hd, ctx := p.n, p.m.Dim, p.m.headDim(), p.m.Context
	weights := kernel.M(a.p[h*ctx*ctx:][:n*n], n, n)
	dout := p.rows(p.dao, d).Columns(h*hd, (h+1)*hd)
	p.pv.Pack(dout)
	kernel.Mul(p.head(p.dqkv, 2, h), weights.T(), &p.pv, false, kernel.UpperA)

	ds := kernel.M(p.ds[:n*n], n, n)
	p.pk.Pack(p.head(a.qkv, 2, h).T())
	kernel.Mul(ds, dout, &p.pk, false, kernel.LowerC)
	scale := p.scale()
	for t := range n {
		row, w := ds.Data[t*n:][:n], weights.Data[t*n:][:t+1]
		kernel.SoftmaxBack(row[:t+1], w, kernel.Dot(row[:t+1], w), scale)
		clearTile(row, t)
	}
	p.pk.Pack(p.head(a.qkv, 1, h))
	kernel.Mul(p.head(p.dqkv, 0, h), ds, &p.pk, false, kernel.LowerA)
	p.pk.Pack(p.head(a.qkv, 0, h))
	kernel.Mul(p.head(p.dqkv, 1, h), ds.T(), &p.pk, false, kernel.UpperA)
}
