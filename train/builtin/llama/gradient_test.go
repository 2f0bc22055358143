package llama

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// small is a model small enough for finite differences, with sizes that fill no tile evenly.
func small() Config { return Config{Dim: 24, Layers: 2, Heads: 3, Hidden: 40, Context: 19} }

func randomBatch(r *rand.Rand, n, length int) []Sequence {
	batch := make([]Sequence, n)
	for i := range batch {
		batch[i] = make(Sequence, length)
		for j := range batch[i] {
			batch[i][j] = byte('a' + r.IntN(9))
		}
	}
	return batch
}

// rough gives a model weights large enough that every path matters.
func rough(t *testing.T, c Config, seed uint64) *Model {
	t.Helper()
	m, err := NewModel(c)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(seed)
	r := rand.New(rand.NewPCG(seed, 9))
	for i := range m.arena {
		m.arena[i] += float32(r.NormFloat64() * 0.15)
	}
	m.Pack()
	return m
}

// checkGradient compares, tensor by tensor, the gradient along its own and along random
// directions with the central difference of the loss.
func checkGradient(t *testing.T, l *Learner, tensors []Tensor, refresh func(), batch []Sequence) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 5))
	l.gradient(batch)
	all := slices.Clone(l.grads[0])
	off := 0
	for _, ts := range tensors {
		g := all[off:][:len(ts.Data)]
		off += len(ts.Data)
		for trial := range 3 {
			dir := make([]float64, len(g))
			var norm, along float64
			for i := range dir {
				dir[i] = r.NormFloat64()
				if trial == 0 {
					dir[i] = float64(g[i])
				}
				norm += dir[i] * dir[i]
			}
			norm = math.Sqrt(norm)
			var size float64
			for i := range dir {
				along += dir[i] / norm * float64(g[i])
				size += float64(g[i]) * float64(g[i])
			}
			size = math.Sqrt(size)
			if norm == 0 {
				t.Errorf("%s: gradient is zero", ts.Name)
				continue
			}
			const eps = 4e-3
			before := slices.Clone(ts.Data)
			at := func(e float64) float64 {
				for i := range dir {
					ts.Data[i] = before[i] + float32(e*dir[i]/norm)
				}
				refresh()
				return l.gradient(batch)
			}
			diff := (at(eps) - at(-eps)) / (2 * eps)
			copy(ts.Data, before)
			if math.Abs(diff-along) > 1e-3+0.01*size {
				t.Errorf("%s: derivative %.6f, difference quotient %.6f", ts.Name, along, diff)
			}
		}
	}
	refresh()
}

func TestFullGradient(t *testing.T) {
	m := rough(t, small(), 1)
	l := NewLearner(m, nil, DefaultOptimizer(), 1)
	checkGradient(t, l, m.tensors, m.Pack, randomBatch(rand.New(rand.NewPCG(2, 2)), 3, m.Context+1))
}

func TestAdapterGradient(t *testing.T) {
	for _, targets := range []string{"all", "q_proj,v_proj", "k_proj", "o_proj,up_proj", "gate_proj,down_proj"} {
		m := rough(t, small(), 1)
		ts, err := ParseTargets(targets)
		if err != nil {
			t.Fatal(err)
		}
		a, err := NewAdapter(m, AdapterConfig{Rank: 5, Alpha: 10, Targets: ts})
		if err != nil {
			t.Fatal(err)
		}
		a.Init(3)
		r := rand.New(rand.NewPCG(4, 4))
		for i := range a.arena {
			a.arena[i] += float32(r.NormFloat64() * 0.1)
		}
		refresh := func() {
			if err := a.Load(a.tensors); err != nil {
				t.Fatal(err)
			}
		}
		refresh()
		l := NewLearner(m, a, DefaultOptimizer(), 1)
		checkGradient(t, l, a.tensors, refresh, randomBatch(r, 3, m.Context+1))
	}
}
