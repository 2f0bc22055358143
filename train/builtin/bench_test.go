package builtin

import (
	"testing"

	"github.com/weft-mesh/weft/train/builtin/llama"
	"github.com/weft-mesh/weft/train/builtin/text"
)

// benchTokens measures optimizer steps on the embedded base, in bytes of text a second.
func benchTokens(b *testing.B, mode string) {
	h, err := parse(map[string]string{"mode": mode})
	if err != nil {
		b.Fatal(err)
	}
	p, err := newParameters(h)
	if err != nil {
		b.Fatal(err)
	}
	if p.adapter != nil {
		p.adapter.Init(1)
		if err := p.adapter.Load(p.tensors()); err != nil {
			b.Fatal(err)
		}
	}
	data, _, err := readData("builtin:dolly", "")
	if err != nil {
		b.Fatal(err)
	}
	l := llama.NewLearner(p.model, p.adapter, llama.DefaultOptimizer(), 0)
	sampler := text.NewSampler(data, p.model.Context+1, 1)
	l.Step(sampler.Batch(h.batch), h.rate)
	for b.Loop() {
		l.Step(sampler.Batch(h.batch), h.rate)
	}
	b.ReportMetric(float64(h.batch*p.model.Context*b.N)/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkTokensLoRA(b *testing.B) { benchTokens(b, modeLoRA) }
func BenchmarkTokensFull(b *testing.B) { benchTokens(b, modeFull) }

func BenchmarkEvaluate(b *testing.B) {
	h, err := parse(nil)
	if err != nil {
		b.Fatal(err)
	}
	p, err := newParameters(h)
	if err != nil {
		b.Fatal(err)
	}
	_, held, err := readData("builtin:dolly", "")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.model.Loss(b.Context(), held, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(held)*b.N)/b.Elapsed().Seconds(), "tokens/s")
}
