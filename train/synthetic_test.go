package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weft-mesh/weft/tensor"
)

// syntheticTask returns a task from an initial model of some bytes.
func syntheticTask(t *testing.T, size, seed uint64) Task {
	t.Helper()
	base := filepath.Join(t.TempDir(), "base.safetensors")
	if err := InitSynthetic(t.Context(), base, size, 7); err != nil {
		t.Fatal(err)
	}
	return Task{Kind: Train, Round: 1, Base: base, Dir: t.TempDir(), Seed: seed}
}

func tensorsOf(t *testing.T, path string) (tensor.Layout, []float32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := tensor.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.Layout()
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, l.Elements())
	tensor.Decode(x, data[h.DataOffset:], tensor.F32)
	return l, x
}

func TestSyntheticUpdate(t *testing.T) {
	task := syntheticTask(t, 5<<20, 41) // two tensors, the second smaller
	var last Progress
	res, err := (&Synthetic{}).Run(t.Context(), task, func(p Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	if res.Samples != 42 || last.Step != last.Steps || last.Steps != syntheticSteps || res.Metrics["loss"] == 0 {
		t.Errorf("result %+v, last progress %+v", res, last)
	}
	want, base := tensorsOf(t, task.Base)
	got, update := tensorsOf(t, res.Update)
	if want.Block().CID != got.Block().CID || len(want.Tensors) != 2 {
		t.Fatalf("layout %v, want %v", got, want)
	}
	changed := 0
	for i := range base {
		if d := math.Abs(float64(update[i] - base[i])); d > syntheticNoise*1.001 {
			t.Fatalf("element %d changed by %g", i, d)
		} else if d > 0 {
			changed++
		}
	}
	if changed < len(base)*9/10 {
		t.Errorf("%d of %d elements changed", changed, len(base))
	}

	again, other := task, task
	again.Dir, other.Dir, other.Seed = t.TempDir(), t.TempDir(), 42
	for name, c := range map[string]struct {
		task  Task
		equal bool
	}{"done again": {again, true}, "another seed": {other, false}} {
		res2, err := (&Synthetic{}).Run(t.Context(), c.task, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := os.ReadFile(res.Update)
		b, errB := os.ReadFile(res2.Update)
		if errors.Join(errA, errB) != nil || bytes.Equal(a, b) != c.equal {
			t.Errorf("%s: equal %v, want %v (%v)", name, bytes.Equal(a, b), c.equal, errors.Join(errA, errB))
		}
	}
}

// Elements at the edge of their type's range stay finite.
// TestSyntheticVaries: what may vary differs each time.
func TestSyntheticVaries(t *testing.T) {
	updates := map[float32]bool{}
	for range 4 {
		res, err := (&Synthetic{Varies: true}).Run(t.Context(), syntheticTask(t, 1000, 41), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, x := tensorsOf(t, res.Update)
		updates[x[0]] = true
	}
	if len(updates) < 2 {
		t.Error("the same task yields the same update")
	}
}

func TestSyntheticStaysFinite(t *testing.T) {
	for d, largest := range map[tensor.DType]float32{tensor.F32: math.MaxFloat32, tensor.F16: 65504, tensor.BF16: 0x1.fep127} {
		x := []float32{largest, -largest, 1, largest}
		b := make([]byte, len(x)*d.Size())
		if i := tensor.Encode(b, x, d); i >= 0 {
			t.Fatalf("%s: element %d", d, i)
		}
		perturb(x, b, d, rand.New(rand.NewPCG(1, 1)))
		tensor.Decode(x, b, d)
		if x[0] != largest || x[1] != -largest || x[3] != largest || x[2] == 1 && d == tensor.F32 {
			t.Errorf("%s: %v", d, x)
		}
	}
}

func TestSyntheticStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	task := syntheticTask(t, 100, 1)
	res, err := (&Synthetic{Time: time.Hour}).Run(ctx, func() Task { cancel(); return task }(), nil)
	if !errors.Is(err, context.Canceled) || res.Update != "" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestSyntheticEvaluates(t *testing.T) {
	res, err := (&Synthetic{}).Run(t.Context(), Task{Kind: Evaluate, Round: 1}, nil)
	if err != nil || res.Update != "" || len(res.Metrics) == 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestSyntheticGenerates(t *testing.T) {
	res, err := (&Synthetic{}).Run(t.Context(), Task{Kind: Generate, Generate: &Generation{Prompt: "a", MaxTokens: 1}}, nil)
	if err != nil || res.Skip == "" || res.Text != "" || res.Update != "" {
		t.Errorf("%+v, %v", res, err)
	}
}
