package llama

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func newAdapter(t *testing.T, m *Model, targets string) *Adapter {
	t.Helper()
	ts, err := ParseTargets(targets)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAdapter(m, AdapterConfig{Rank: 4, Alpha: 8, Targets: ts})
	if err != nil {
		t.Fatal(err)
	}
	a.Init(1)
	return a
}

func TestFreshAdapterChangesNothing(t *testing.T) {
	m := rough(t, small(), 1)
	before := slices.Clone(m.arena)
	a := newAdapter(t, m, "all")
	if err := a.Load(a.Tensors()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.arena, before) {
		t.Error("weights changed")
	}
}

// TestMerge compares the merged weights with W + alpha/rank·B·A computed in float64.
func TestMerge(t *testing.T) {
	m := rough(t, small(), 1)
	before := slices.Clone(m.arena)
	a := newAdapter(t, m, "k_proj,up_proj")
	for i := range a.arena {
		a.arena[i] = float32(math.Sin(float64(i)))
	}
	if err := a.Load(a.Tensors()); err != nil {
		t.Fatal(err)
	}
	ad := map[string]Tensor{}
	for _, ts := range a.Tensors() {
		ad[ts.Name] = ts
	}
	off, adapted := 0, 0
	for _, ts := range m.tensors {
		name := "base_model.model." + ts.Name[:len(ts.Name)-len(".weight")]
		A, B := ad[name+".lora_A.weight"], ad[name+".lora_B.weight"]
		for i, got := range ts.Data {
			want := float64(before[off+i])
			if A.Data != nil {
				row, col := i/ts.Shape[1], i%ts.Shape[1]
				for r := range a.Rank {
					want += a.Alpha / float64(a.Rank) * float64(B.Data[row*a.Rank+r]) * float64(A.Data[r*ts.Shape[1]+col])
				}
			}
			if math.Abs(float64(got)-want) > 1e-5*(1+math.Abs(want)) {
				t.Fatalf("%s[%d] is %v, want %v", ts.Name, i, got, want)
			}
		}
		if A.Data != nil {
			adapted++
		}
		off += len(ts.Data)
	}
	if adapted != 2*m.Layers || len(ad) != 4*m.Layers {
		t.Errorf("%d tensors adapted by %d", adapted, len(ad))
	}
}

func TestLoadRefuses(t *testing.T) {
	m := rough(t, small(), 1)
	edit := func(f func(ts []Tensor) []Tensor) []Tensor { return f(m.Tensors()) }
	for name, ts := range map[string][]Tensor{
		"missing": edit(func(ts []Tensor) []Tensor { return ts[1:] }),
		"unknown": edit(func(ts []Tensor) []Tensor { return append(ts, Tensor{Name: "x"}) }),
		"shape":   edit(func(ts []Tensor) []Tensor { ts[0].Shape = []int{1}; return ts }),
		"NaN": edit(func(ts []Tensor) []Tensor {
			ts[0].Data = slices.Repeat([]float32{float32(math.NaN())}, len(ts[0].Data))
			return ts
		}),
	} {
		if err := m.Load(ts); !errors.Is(err, ErrTensors) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigsRefused(t *testing.T) {
	for _, c := range []Config{{}, {Dim: 30, Layers: 1, Heads: 4, Hidden: 8, Context: 8}, {Dim: 1 << 20, Layers: 1, Heads: 1, Hidden: 1, Context: 1}} {
		if _, err := NewModel(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	m := rough(t, small(), 1)
	for _, c := range []AdapterConfig{{}, {Rank: 4, Alpha: 0, Targets: []Projection{Key}}, {Rank: 4, Alpha: math.NaN(), Targets: []Projection{Key}}, {Rank: 4, Alpha: 1}} {
		if _, err := NewAdapter(m, c); !errors.Is(err, ErrAdapter) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestParseTargets(t *testing.T) {
	for s, want := range map[string][]Projection{
		"all":             {Query, Key, Value, Output, Gate, Up, Down},
		"v_proj, q_proj":  {Query, Value},
		"down_proj":       {Down},
		"q_proj,q_proj":   {Query},
		"up_proj,all":     {Query, Key, Value, Output, Gate, Up, Down},
		"":                nil,
		"q_proj,":         nil,
		"query":           nil,
		"q_proj,lm_head":  nil,
		"all,nonsense":    nil,
		"q_proj;k_proj":   nil,
		"Q_PROJ":          nil,
		"q_proj,,up_proj": nil,
	} {
		got, err := ParseTargets(s)
		if !slices.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("ParseTargets(%q) = %v, %v", s, got, err)
		}
	}
}

func TestCosine(t *testing.T) {
	if got := Cosine(2, 5, 10, 100); got != 1 {
		t.Errorf("half-way up: %v", got)
	}
	if got := Cosine(2, 10, 10, 100); got != 2 {
		t.Errorf("at the top: %v", got)
	}
	if got := Cosine(2, 100, 10, 100); got <= 0 || got > 0.01 {
		t.Errorf("at the end: %v", got)
	}
}
