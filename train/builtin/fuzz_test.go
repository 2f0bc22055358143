package builtin

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/train"
)

// Hyperparameters that another site has chosen are refused with their kind of error, or are such as a training can take.
func FuzzHyper(f *testing.F) {
	f.Add("lr=0.1 steps=3 targets=q_proj,v_proj rank=4 alpha=8")
	f.Add("mode=full warmup=0 seed=18446744073709551615 batch=4096")
	f.Add("lr=NaN alpha=1e999 rank=-1 mode=")
	f.Fuzz(func(t *testing.T, text string) {
		config := map[string]string{}
		for word := range strings.FieldsSeq(text) {
			k, v, _ := strings.Cut(word, "=")
			config[k] = v
		}
		h, err := parse(config)
		if err != nil {
			if !errors.Is(err, train.ErrHyperparameter) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if h.steps < 1 || h.steps > maxSteps || h.batch < 1 || h.batch > maxBatch || h.warmup < 0 || !(h.rate > 0) || h.rate > 1 {
			t.Fatalf("%+v", h)
		}
		if h.mode == modeLoRA && h.adapter.Validate() != nil {
			t.Fatalf("%+v: %v", h.adapter, h.adapter.Validate())
		}
		for _, step := range []int{1, h.steps} {
			if rate := h.learningRate(1, 3, step); !(rate >= 0) || math.IsInf(rate, 0) {
				t.Fatalf("a rate of %v at step %d", rate, step)
			}
		}
	})
}
