package llama

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// trained returns the parameters after a few steps with the given number of workers.
func trained(t *testing.T, lora bool, workers int) []float32 {
	t.Helper()
	m := rough(t, small(), 1)
	var a *Adapter
	if lora {
		ts, _ := ParseTargets("all")
		var err error
		if a, err = NewAdapter(m, AdapterConfig{Rank: 4, Alpha: 8, Targets: ts}); err != nil {
			t.Fatal(err)
		}
		a.Init(1)
		if err := a.Load(a.tensors); err != nil {
			t.Fatal(err)
		}
	}
	l := NewLearner(m, a, DefaultOptimizer(), workers)
	r := rand.New(rand.NewPCG(7, 7))
	for range 5 {
		l.Step(randomBatch(r, 11, m.Context+1), 1e-2)
	}
	return slices.Clone(l.w)
}

func TestSameBitsForAnyNumberOfWorkers(t *testing.T) {
	for _, lora := range []bool{false, true} {
		want := trained(t, lora, 1)
		for _, workers := range []int{1, 2, 3, 4, 16} {
			if !slices.Equal(trained(t, lora, workers), want) {
				t.Errorf("lora %v: %d workers give other parameters than one", lora, workers)
			}
		}
	}
}

func TestLearns(t *testing.T) {
	m, err := NewModel(small())
	if err != nil {
		t.Fatal(err)
	}
	m.Init(1)
	l := NewLearner(m, nil, DefaultOptimizer(), 2)
	text := Sequence("the cat sat on the m")
	var first, last float64
	for i := range 60 {
		last = l.Step([]Sequence{text, text}, 1e-2)
		if i == 0 {
			first = last
		}
	}
	if first < 5 || last > 0.2 {
		t.Errorf("loss went from %.3f to %.3f; want from about ln 256 = 5.5 to near 0", first, last)
	}
}
