package llama

import "github.com/weft-mesh/weft/train/builtin/kernel"

// fullSink adds the gradient of every weight to grad, laid out as the model's arena.
type fullSink struct {
	m    *Model
	grad []float32
}

var _ sink = (*fullSink)(nil)

func (s *fullSink) into(grad []float32) { s.grad = grad }

func (s *fullSink) linear(p *pass, _, _ int, w *matrix, dy, x []float32) {
	p.px.Pack(p.rows(x, w.in))
	dw := kernel.M(s.grad[w.off:][:w.out*w.in], w.out, w.in)
	kernel.Mul(dw, p.rows(dy, w.out).T(), &p.px, true, kernel.Full)
}

func (s *fullSink) norm(layer, which int) []float32 {
	d := s.m.Dim
	switch {
	case layer < 0:
		return s.grad[s.m.head.off-d:][:d]
	case which == 0:
		return s.grad[s.m.layers[layer].stacks[stackQKV].off-d:][:d]
	default:
		return s.grad[s.m.layers[layer].stacks[stackGateUp].off-d:][:d]
	}
}

func (s *fullSink) embed() []float32 { return s.grad[:Vocab*s.m.Dim] }
