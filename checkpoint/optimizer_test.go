package checkpoint

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

// trained is a model with an optimizer's state.
var trained = file{
	"body.weight": floats(1, 2), "head.weight": floats(3), "count": counter(7),
	"optimizer/0/exp_avg/body.weight": floats(4, 5), "optimizer/0/exp_avg/head.weight": floats(6), "optimizer/0/step/head.weight": floats(9),
}

// TestOptimizer: the state of an optimizer is among a run's weights, in no model that is written for others, and in what another
// run begins with; what belongs to a site's own tensors is its own.
func TestOptimizer(t *testing.T) {
	store, err := blockstore.OpenDisk(t.TempDir(), blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	path := filepath.Join(write(t, map[string][]byte{"m.safetensors": trained.bytes(nil, true)}), "m.safetensors")
	for _, x := range []struct {
		local tensor.Patterns
		want  []string // of the patterns that the run has
	}{
		{nil, nil},
		{tensor.Patterns{"head.*"}, []string{"head.*", "optimizer/*/head.*"}},
		{tensor.Patterns{"*head.*"}, []string{"*head.*", "optimizer/*/*head.*"}},
	} {
		i, err := Import(t.Context(), store, path, t.TempDir(), x.local, blockstore.ImportOptions{Keep: true, Finite: true})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(i.Beside.Local, x.want) {
			t.Errorf("%q: local %q, want %q", x.local, i.Beside.Local, x.want)
		}
		open := func(c block.CID) (*blockstore.Artifact, error) { return store.Open(c) }
		for _, keep := range []bool{false, true} {
			m, err := OpenModel(open, i.Weights, i.Beside)
			if err != nil {
				t.Fatal(err)
			}
			if keep {
				m.KeepOptimizer()
			}
			var b bytes.Buffer
			size, err := m.Size()
			if err := m.Write(&b); err != nil {
				t.Fatal(err)
			}
			if err != nil || size != int64(b.Len()) {
				t.Errorf("%q: size %d, %v; it has %d bytes", x.local, size, err, b.Len())
			}
			got, _ := read(t, b.Bytes())
			for name := range trained {
				own := x.local != nil && strings.Contains(name, "head.")
				want := !own && (keep || !IsOptimizer(name))
				if _, has := got[name]; has != want {
					t.Errorf("%q, keep %v: %s is there: %v", x.local, keep, name, has)
				}
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOptimizerNote: what it costs is told.
func TestOptimizerNote(t *testing.T) {
	f32 := func(name string, n uint64) tensor.Tensor {
		return tensor.Tensor{Name: name, DType: tensor.F32, Shape: []uint64{n}}
	}
	l := tensor.Layout{Tensors: []tensor.Tensor{f32("optimizer/0/exp_avg/w", 1000), f32("optimizer/0/exp_avg_sq/w", 1000), f32("optimizer/0/step/w", 1), f32("w", 1000)}}
	if got := OptimizerNote(l); !strings.Contains(got, "12004 bytes, 3.0 times") {
		t.Error(got)
	}
	if got := OptimizerNote(tensor.Layout{Tensors: l.Tensors[3:]}); got != "" {
		t.Error(got)
	}
}
