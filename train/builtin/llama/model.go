package llama

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/train/builtin/kernel"
)

// Model holds weights and their packed copies. Passes read it concurrently; between
// steps one goroutine changes it.
type Model struct {
	Config
	tensors  []Tensor
	arena    []float32 // all weights, in the order of tensors
	embed    []float32
	layers   []layer
	norm     []float32
	head     matrix
	cos, sin []float32 // [Context, headDim/2]
	minusSin []float32 // to turn back
}

type layer struct {
	norm1, norm2 []float32
	stacks       [stacks]matrix
}

// matrix is a linear map: its weights, where they lie in the arena, and the packed
// forms that the forward (x·Wᵀ) and backward (dy·W) products read.
type matrix struct {
	w                 []float32 // [out, in]
	off               int
	in, out           int
	forward, backward kernel.Packed
}

func (m *matrix) pack() {
	w := kernel.M(m.w, m.out, m.in)
	m.forward.Pack(w.T())
	m.backward.Pack(w)
}

// NewModel returns a model of shape c with all weights zero.
func NewModel(c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, tensors: c.shapes(), layers: make([]layer, c.Layers)}
	total := 0
	for _, t := range m.tensors {
		total += t.Size()
	}
	m.arena = make([]float32, total)
	off := 0
	for i := range m.tensors {
		t := &m.tensors[i]
		t.Data = m.arena[off:][:t.Size():t.Size()]
		off += t.Size()
	}
	m.bind()
	m.rotations()
	return m, nil
}

// bind points the fields at the arena's parts, in the order of Config.shapes.
func (m *Model) bind() {
	off := 0
	take := func(n int) []float32 {
		s := m.arena[off:][:n:n]
		off += n
		return s
	}
	stack := func(mx *matrix, out, in int) {
		mx.in, mx.out, mx.off = in, out, off
		mx.w = take(out * in)
	}
	m.embed = take(Vocab * m.Dim)
	for i := range m.layers {
		l := &m.layers[i]
		l.norm1 = take(m.Dim)
		stack(&l.stacks[stackQKV], 3*m.Dim, m.Dim)
		stack(&l.stacks[stackOutput], m.Dim, m.Dim)
		l.norm2 = take(m.Dim)
		stack(&l.stacks[stackGateUp], 2*m.Hidden, m.Dim)
		stack(&l.stacks[stackDown], m.Dim, m.Hidden)
	}
	m.norm = take(m.Dim)
	stack(&m.head, Vocab, m.Dim)
}

// rotations fills the tables of rotary positions (Su et al., arXiv 2104.09864), in the
// half-split order of Hugging Face.
func (m *Model) rotations() {
	n := m.headDim() / 2
	for pos := range m.Context {
		for i := range n {
			angle := float64(pos) * math.Pow(ropeTheta, -float64(i)/float64(n))
			m.cos = append(m.cos, float32(math.Cos(angle)))
			m.sin = append(m.sin, float32(math.Sin(angle)))
			m.minusSin = append(m.minusSin, float32(-math.Sin(angle)))
		}
	}
}

// Init draws random weights: normal with deviation 0.02, the maps that write into the residual
// stream scaled down by its depth (Radford et al., GPT-2); norms are one.
func (m *Model) Init(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	for _, t := range m.tensors {
		dev := 0.02
		switch {
		case len(t.Shape) == 1:
			for i := range t.Data {
				t.Data[i] = 1
			}
			continue
		case strings.HasSuffix(t.Name, "o_proj.weight"), strings.HasSuffix(t.Name, "down_proj.weight"):
			dev /= math.Sqrt(2 * float64(m.Layers))
		}
		for i := range t.Data {
			t.Data[i] = float32(r.NormFloat64() * dev)
		}
	}
	m.Pack()
}

// Tensors returns the weights, sorted by name. They share memory with the model; after
// changing them call Pack.
func (m *Model) Tensors() []Tensor {
	ts := slices.Clone(m.tensors)
	sortByName(ts)
	return ts
}

func sortByName(ts []Tensor) {
	slices.SortFunc(ts, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
}

// Load copies the given tensors, which must be exactly the model's.
func (m *Model) Load(from []Tensor) error {
	if err := copyTensors(m.tensors, from); err != nil {
		return fmt.Errorf("load model: %w", err)
	}
	m.Pack()
	return nil
}

// Size returns the number of parameters.
func (m *Model) Size() int { return len(m.arena) }

// Pack renews the packed copies after the weights changed.
func (m *Model) Pack() {
	for _, mx := range m.matrices() {
		mx.pack()
	}
}

// matrices lists all linear maps.
func (m *Model) matrices() []*matrix {
	var all []*matrix
	for i := range m.layers {
		for s := range m.layers[i].stacks {
			all = append(all, &m.layers[i].stacks[s])
		}
	}
	return append(all, &m.head)
}
