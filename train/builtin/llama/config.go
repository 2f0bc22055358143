package llama

import (
	"errors"
	"fmt"
)

// ErrConfig is returned for a Config that describes no model this package runs.
var ErrConfig = errors.New("invalid model configuration")

// Vocab is the number of tokens: every byte is one.
const Vocab = 256

// Config is a model's shape.
type Config struct {
	Dim     int // channels between layers
	Layers  int // how many
	Heads   int // attention heads; Dim/Heads is even
	Hidden  int // channels inside the feed-forward part
	Context int // longest sequence, in bytes
}

const (
	ropeTheta = 10000.0 // as in Llama 1 and 2
	normEps   = 1e-5
)

// Limits keep a configuration read from a file from asking for all memory.
const (
	maxDim, maxLayers, maxContext = 1024, 32, 2048
)

// Default is the shape of the embedded base: 0.92 million parameters.
func Default() Config {
	return Config{Dim: 128, Layers: 4, Heads: 4, Hidden: 384, Context: 128}
}

// Validate returns ErrConfig if there can be no model of shape c.
func (c Config) Validate() error {
	bound := func(name string, v, most int) error {
		if v < 1 || v > most {
			return fmt.Errorf("%w: %s is %d; use 1 to %d", ErrConfig, name, v, most)
		}
		return nil
	}
	if err := errors.Join(bound("dim", c.Dim, maxDim), bound("layers", c.Layers, maxLayers),
		bound("heads", c.Heads, maxDim), bound("hidden", c.Hidden, 4*maxDim), bound("context", c.Context, maxContext)); err != nil {
		return err
	}
	if c.Dim%(2*c.Heads) != 0 {
		return fmt.Errorf("%w: dim %d is not an even multiple of heads %d", ErrConfig, c.Dim, c.Heads)
	}
	return nil
}

func (c Config) headDim() int { return c.Dim / c.Heads }

// Tensor is a named part of a model's or adapter's parameters.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Size returns the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// shapes lists the model's tensors, Data unset, in the order they lie in memory:
// projections of one stack are neighbours.
func (c Config) shapes() []Tensor {
	ts := []Tensor{{Name: "model.embed_tokens.weight", Shape: []int{Vocab, c.Dim}}}
	for l := range c.Layers {
		add := func(name string, shape ...int) {
			ts = append(ts, Tensor{Name: fmt.Sprintf("model.layers.%d.%s.weight", l, name), Shape: shape})
		}
		add("input_layernorm", c.Dim)
		for _, p := range projections[:Gate] {
			add(p.module, c.size(p.out), c.size(p.in))
		}
		add("post_attention_layernorm", c.Dim)
		for _, p := range projections[Gate:] {
			add(p.module, c.size(p.out), c.size(p.in))
		}
	}
	return append(ts, Tensor{Name: "model.norm.weight", Shape: []int{c.Dim}},
		Tensor{Name: "lm_head.weight", Shape: []int{Vocab, c.Dim}})
}

// Projection is one of a layer's linear maps.
type Projection int

const (
	Query Projection = iota
	Key
	Value
	Output
	Gate
	Up
	Down
)

// width says which of the configuration's sizes a projection reads or yields.
type width int

const (
	dim width = iota
	hidden
)

func (c Config) size(w width) int {
	if w == hidden {
		return c.Hidden
	}
	return c.Dim
}

// projections describes each Projection, in order.
var projections = [...]struct {
	name    string // as in LoRA's target_modules
	module  string // its place in a layer
	in, out width
	stack   int // which of the layer's matrices it is a part of
}{
	{"q_proj", "self_attn.q_proj", dim, dim, stackQKV},
	{"k_proj", "self_attn.k_proj", dim, dim, stackQKV},
	{"v_proj", "self_attn.v_proj", dim, dim, stackQKV},
	{"o_proj", "self_attn.o_proj", dim, dim, stackOutput},
	{"gate_proj", "mlp.gate_proj", dim, hidden, stackGateUp},
	{"up_proj", "mlp.up_proj", dim, hidden, stackGateUp},
	{"down_proj", "mlp.down_proj", hidden, dim, stackDown},
}

const (
	stackQKV = iota
	stackOutput
	stackGateUp
	stackDown
	stacks
)

func (p Projection) String() string { return projections[p].name }
