package llama

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/train/builtin/kernel"
)

// ErrAdapter is returned for LoRA settings that fit no adapter.
var ErrAdapter = errors.New("invalid LoRA settings")

// AdapterConfig is an adapter's shape.
type AdapterConfig struct {
	Rank    int          // columns of B, rows of A
	Alpha   float64      // the product B·A is scaled by Alpha/Rank
	Targets []Projection // the projections adapted in every layer
}

const maxRank = 128

// Validate returns ErrAdapter if there is no such adapter.
func (c AdapterConfig) Validate() error {
	switch {
	case c.Rank < 1 || c.Rank > maxRank:
		return fmt.Errorf("%w: rank is %d; use 1 to %d", ErrAdapter, c.Rank, maxRank)
	case !(c.Alpha > 0) || math.IsInf(c.Alpha, 0):
		return fmt.Errorf("%w: alpha is %v; use a positive number, often twice the rank", ErrAdapter, c.Alpha)
	case len(c.Targets) == 0:
		return fmt.Errorf("%w: no targets; use all, or some of %s", ErrAdapter, projectionNames())
	}
	return nil
}

// ParseTargets reads a list of projections such as "q_proj,v_proj", or "all".
func ParseTargets(s string) ([]Projection, error) {
	var ts []Projection
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimSpace(name)
		for p := range projections {
			if name == "all" || name == projections[p].name {
				ts = append(ts, Projection(p))
			}
		}
		if len(ts) == 0 || name != "all" && ts[len(ts)-1].String() != name {
			return nil, fmt.Errorf("%w: target %q is unknown; use all, or some of %s", ErrAdapter, name, projectionNames())
		}
	}
	slices.Sort(ts)
	return slices.Compact(ts), nil
}

func projectionNames() string {
	var names []string
	for _, p := range projections {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// Adapter is a LoRA adapter of a model: for each targeted projection W becomes
// W + Alpha/Rank·B·A. The sum is formed once per step, so passes run as without it.
type Adapter struct {
	AdapterConfig
	m       *Model
	frozen  []float32 // the model's weights without the adapter
	arena   []float32
	tensors []Tensor
	stacks  [][stacks]lowRank // by layer
}

// lowRank adapts the targeted projections of one stack. Their A lie below one another,
// so one product serves them all.
type lowRank struct {
	parts []part
	a     []float32 // [parts·rank, in]
	aOff  int
	packA kernel.Packed // aᵀ
}

// part adapts one projection: rows lo to lo+out of its stack.
type part struct {
	lo, out int
	b       []float32 // [out, rank]
	bOff    int
	packB   kernel.Packed
}

// NewAdapter returns an adapter of m with A and B zero. While it is in use it owns m's weights.
func NewAdapter(m *Model, c AdapterConfig) (*Adapter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &Adapter{AdapterConfig: c, m: m, frozen: slices.Clone(m.arena), stacks: make([][stacks]lowRank, m.Layers)}
	total := 0
	for _, p := range c.Targets {
		total += m.Layers * c.Rank * (m.size(projections[p].in) + m.size(projections[p].out))
	}
	a.arena = make([]float32, total)
	off := 0
	take := func(name string, rows, cols int) ([]float32, int) {
		data, at := a.arena[off:][:rows*cols:rows*cols], off
		a.tensors = append(a.tensors, Tensor{Name: name, Shape: []int{rows, cols}, Data: data})
		off += rows * cols
		return data, at
	}
	for l := range m.Layers {
		for s := range stacks {
			a.layOut(l, s, take)
		}
	}
	return a, nil
}

// layOut places the tensors of one stack: first every A, then every B.
func (a *Adapter) layOut(l, s int, take func(name string, rows, cols int) ([]float32, int)) {
	lr, w := &a.stacks[l][s], &a.m.layers[l].stacks[s]
	lo := 0
	var names []string
	for i, p := range projections {
		if p.stack != s {
			continue
		}
		out := a.m.size(p.out)
		if slices.Contains(a.Targets, Projection(i)) {
			lr.parts = append(lr.parts, part{lo: lo, out: out})
			names = append(names, fmt.Sprintf("base_model.model.model.layers.%d.%s", l, p.module))
		}
		lo += out
	}
	for i, name := range names {
		data, at := take(name+".lora_A.weight", a.Rank, w.in)
		if i == 0 {
			lr.aOff = at
			lr.a = a.arena[at:][:len(names)*len(data)]
		}
	}
	for i, name := range names {
		lr.parts[i].b, lr.parts[i].bOff = take(name+".lora_B.weight", lr.parts[i].out, a.Rank)
	}
}

// Init draws A uniformly as PEFT does (Kaiming with a = √5: ±1/√in) and sets B to zero, so that a fresh adapter
// changes nothing.
func (a *Adapter) Init(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for _, t := range a.tensors {
		if strings.HasSuffix(t.Name, "lora_B.weight") {
			clear(t.Data)
			continue
		}
		bound := 1 / math.Sqrt(float64(t.Shape[1]))
		for i := range t.Data {
			t.Data[i] = float32((2*r.Float64() - 1) * bound)
		}
	}
}

// Tensors returns the adapter's parameters sorted by name; they share its memory.
func (a *Adapter) Tensors() []Tensor {
	ts := slices.Clone(a.tensors)
	sortByName(ts)
	return ts
}

// Load copies the given tensors, which must be exactly the adapter's, and merges them
// into the model.
func (a *Adapter) Load(from []Tensor) error {
	if err := copyTensors(a.tensors, from); err != nil {
		return fmt.Errorf("load adapter: %w", err)
	}
	for l := range a.m.Layers {
		for s := range stacks {
			a.merge(l, s)
		}
	}
	return nil
}

// Size returns the number of parameters.
func (a *Adapter) Size() int { return len(a.arena) }

// merge renews the model's weights of one stack: W = frozen + scale·B·A.
func (a *Adapter) merge(l, s int) {
	lr, w := &a.stacks[l][s], &a.m.layers[l].stacks[s]
	if len(lr.parts) == 0 {
		return
	}
	copy(w.w, a.frozen[w.off:])
	r := a.Rank
	lr.packA.Pack(kernel.M(lr.a, len(lr.parts)*r, w.in).T())
	var packed kernel.Packed
	for i := range lr.parts {
		p := &lr.parts[i]
		b := slices.Clone(p.b)
		kernel.Scale(b, a.scale())
		packed.Pack(kernel.M(lr.a[i*r*w.in:][:r*w.in], r, w.in))
		kernel.Mul(kernel.M(w.w[p.lo*w.in:][:p.out*w.in], p.out, w.in), kernel.M(b, p.out, r), &packed, true, kernel.Full)
		p.packB.Pack(kernel.M(p.b, p.out, r))
	}
	w.pack()
}

func (a *Adapter) scale() float32 { return float32(a.Alpha / float64(a.Rank)) }

// adapterSink adds the gradients of A and B to grad, laid out as the adapter's arena.
type adapterSink struct {
	a      *Adapter
	grad   []float32
	t, u   []float32 // [n, parts·rank]: x·Aᵀ, and the gradient of that
	packed kernel.Packed
}

var _ sink = (*adapterSink)(nil)

func (s *adapterSink) into(grad []float32) { s.grad = grad }

// linear: with y = x·(W + s·B·A)ᵀ, t = x·Aᵀ and u = s·dy·B, dB is s·dyᵀ·t and dA is uᵀ·x.
func (s *adapterSink) linear(p *pass, layer, stack int, w *matrix, dy, x []float32) {
	if layer < 0 {
		return
	}
	lr := &s.a.stacks[layer][stack]
	cols := len(lr.parts) * s.a.Rank
	if cols == 0 {
		return
	}
	s.t, s.u = slices.Grow(s.t[:0], p.n*cols)[:p.n*cols], slices.Grow(s.u[:0], p.n*cols)[:p.n*cols]
	t, u, in := kernel.M(s.t, p.n, cols), kernel.M(s.u, p.n, cols), p.rows(x, w.in)
	kernel.Mul(t, in, &lr.packA, false, kernel.Full)
	kernel.Scale(s.t, s.a.scale())
	for i := range lr.parts {
		pt, lo, hi := &lr.parts[i], i*s.a.Rank, (i+1)*s.a.Rank
		d := p.rows(dy, w.out).Columns(pt.lo, pt.lo+pt.out)
		kernel.Mul(u.Columns(lo, hi), d, &pt.packB, false, kernel.Full)
		s.packed.Pack(t.Columns(lo, hi))
		kernel.Mul(kernel.M(s.grad[pt.bOff:][:pt.out*s.a.Rank], pt.out, s.a.Rank), d.T(), &s.packed, true, kernel.Full)
	}
	kernel.Scale(s.u, s.a.scale())
	s.packed.Pack(in)
	kernel.Mul(kernel.M(s.grad[lr.aOff:][:cols*w.in], cols, w.in), u.T(), &s.packed, true, kernel.Full)
}

func (s *adapterSink) norm(int, int) []float32 { return nil }

func (s *adapterSink) embed() []float32 { return nil }
