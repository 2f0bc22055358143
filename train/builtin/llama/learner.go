package llama

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/weft-mesh/weft/train/builtin/kernel"
)

// lanes is the number of parts a batch is cut into, and so the most workers that help. It is a part of
// the result: another number sums gradients in another order.
const lanes = 8

// Optimizer is AdamW's settings.
type Optimizer struct {
	Beta1, Beta2, Epsilon float64
	Decay                 float64 // weight decay, of matrices only
	Clip                  float64 // the gradient is scaled down to this norm; 0: never
}

// DefaultOptimizer is what Llama was trained with, but for a shorter memory of squares, better for short runs.
func DefaultOptimizer() Optimizer {
	return Optimizer{Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8, Decay: 0.1, Clip: 1}
}

// Sequence is a training example: the model is to predict each byte but the first from
// those before it. At most Context+1 bytes.
type Sequence []byte

// Learner trains a model, or an adapter of one, step by step. One goroutine uses it.
type Learner struct {
	opt     Optimizer
	m       *Model
	a       *Adapter // nil: all weights are trained
	w, v, s []float32
	grads   [lanes][]float32
	losses  [lanes]float64
	passes  []*pass
	sinks   []sink
	blocks  []block
	steps   int
}

// block is a stretch of parameters that one worker handles at a time.
type block struct {
	lo, hi int
	decay  bool
	square float64 // of its gradient
}

const blockSize = 1 << 14

// NewLearner returns a learner of all of m's weights or, with a, of the adapter only.
// workers is how many goroutines share the work; 0 takes GOMAXPROCS.
func NewLearner(m *Model, a *Adapter, opt Optimizer, workers int) *Learner {
	l := &Learner{opt: opt, m: m, a: a, w: m.arena}
	tensors := m.tensors
	if a != nil {
		l.w, tensors = a.arena, a.tensors
	}
	l.v, l.s = make([]float32, len(l.w)), make([]float32, len(l.w))
	for i := range l.grads {
		l.grads[i] = make([]float32, len(l.w))
	}
	for range workerCount(workers, lanes) {
		l.passes = append(l.passes, newPass(m))
		if a != nil {
			l.sinks = append(l.sinks, &adapterSink{a: a})
		} else {
			l.sinks = append(l.sinks, &fullSink{m: m})
		}
	}
	off := 0
	for _, t := range tensors {
		for end := off + len(t.Data); off < end; {
			hi := min(off+blockSize, end)
			l.blocks = append(l.blocks, block{lo: off, hi: hi, decay: len(t.Shape) > 1})
			off = hi
		}
	}
	return l
}

// workerCount returns how many goroutines share n pieces of work.
func workerCount(workers, n int) int {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return min(workers, n)
}

// each calls f(worker, i) for i from 0 to n-1, every worker taking the next i when free.
func (l *Learner) each(n int, f func(worker, i int)) {
	if len(l.passes) == 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range l.passes {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(w, i)
			}
		})
	}
	wg.Wait()
}

// Step makes one optimizer step at the given learning rate and returns the mean loss
// before it, in nats per byte.
func (l *Learner) Step(batch []Sequence, rate float64) float64 {
	loss := l.gradient(batch)
	l.update(rate)
	return loss
}

// gradient leaves the gradient of the batch's mean loss in grads[0].
func (l *Learner) gradient(batch []Sequence) (loss float64) {
	total := 0
	for _, s := range batch {
		total += len(s) - 1
	}
	weight := 1 / float32(total)
	used := min(lanes, len(batch))
	l.each(used, func(w, lane int) {
		clear(l.grads[lane])
		l.losses[lane] = 0
		p, s := l.passes[w], l.sinks[w]
		s.into(l.grads[lane])
		for _, seq := range batch[lane*len(batch)/used : (lane+1)*len(batch)/used] {
			n := len(seq) - 1
			p.forward(seq[:n])
			sum, _ := p.loss(seq[1:], weight)
			l.losses[lane] += sum
			p.backward(s)
		}
	})
	for _, v := range l.losses[:used] {
		loss += v
	}
	l.each(len(l.blocks), func(_, i int) {
		b := &l.blocks[i]
		sum := l.grads[0][b.lo:b.hi]
		for lane := 1; lane < used; lane++ {
			kernel.Add(sum, l.grads[lane][b.lo:b.hi])
		}
		b.square = float64(kernel.Dot(sum, sum))
	})
	return loss / float64(total)
}

// update moves the parameters along grads[0] and renews what is derived from them.
func (l *Learner) update(rate float64) {
	l.steps++
	var square float64
	for _, b := range l.blocks {
		square += b.square
	}
	shrink := float32(1)
	if norm := math.Sqrt(square); l.opt.Clip > 0 && norm > l.opt.Clip {
		shrink = float32(l.opt.Clip / norm)
	}
	// The moments start at zero; their bias is divided out (Kingma and Ba, arXiv 1412.6980).
	c1 := 1 - math.Pow(l.opt.Beta1, float64(l.steps))
	c2 := math.Sqrt(1 - math.Pow(l.opt.Beta2, float64(l.steps)))
	step := kernel.AdamStep{
		Beta1: float32(l.opt.Beta1), Beta2: float32(l.opt.Beta2),
		Rate: float32(rate * c2 / c1), Epsilon: float32(l.opt.Epsilon * c2), Keep: 1,
	}
	l.each(len(l.blocks), func(_, i int) {
		b, step := l.blocks[i], step
		if b.decay {
			step.Keep = float32(1 - rate*l.opt.Decay)
		}
		grad := l.grads[0][b.lo:b.hi]
		if shrink != 1 {
			kernel.Scale(grad, shrink)
		}
		kernel.Adam(l.w[b.lo:b.hi], l.v[b.lo:b.hi], l.s[b.lo:b.hi], grad, step)
	})
	if l.a != nil {
		l.each(l.m.Layers*stacks, func(_, i int) { l.a.merge(i/stacks, i%stacks) })
		return
	}
	matrices := l.m.matrices()
	l.each(len(matrices), func(_, i int) { matrices[i].pack() })
}

// Cosine is the learning rate of a step, counted from 1: it rises in a line over warmup
// steps to the highest and falls to nearly zero along half a cosine at the last.
func Cosine(highest float64, step, warmup, steps int) float64 {
	if step <= warmup {
		return highest * float64(step) / float64(warmup)
	}
	return highest * (1 + math.Cos(math.Pi*float64(step-warmup)/float64(max(1, steps-warmup+1)))) / 2
}
