package builtin

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/train/builtin/base"
)

func TestHyperparameters(t *testing.T) {
	h, err := parse(nil)
	if err != nil || h.mode != modeLoRA || h.adapter.Rank != 8 || h.adapter.Alpha != 16 || len(h.adapter.Targets) != 7 {
		t.Errorf("defaults: %+v, %v", h, err)
	}
	h, err = parse(map[string]string{"mode": "full", "steps": "7", "batch": "2", "lr": "1e-4", "warmup": "0", "base": base.CID().String()})
	if err != nil || h.steps != 7 || h.batch != 2 || h.rate != 1e-4 || h.warmup != 0 {
		t.Errorf("full: %+v, %v", h, err)
	}
	for key, values := range map[string][]string{
		"mode":    {"", "LoRA", "qlora"},
		"rank":    {"0", "-1", "129", "8.5", "x", ""},
		"alpha":   {"0", "-1", "NaN", "Inf", "x"},
		"targets": {"", "none", "q_proj,"},
		"steps":   {"0", "1e3", "99999999999999999999"},
		"batch":   {"0", "5000"},
		"lr":      {"0", "2", "NaN", "-0.1"},
		"warmup":  {"-1"},
		"base":    {"", "bafkr4ifoo"},
		"stepz":   {"1"},
		"seed":    {"1"}, // a task has its own
	} {
		for _, v := range values {
			_, err := parse(map[string]string{key: v})
			if !errors.Is(err, ErrHyperparameter) || !strings.Contains(err.Error(), key) && key != "targets" {
				t.Errorf("%s=%q: %v", key, v, err)
			}
		}
	}
	if _, err := parse(map[string]string{"mode": "full", "rank": "8"}); !errors.Is(err, ErrHyperparameter) {
		t.Errorf("rank in full mode: %v", err)
	}
}

func TestInitModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	for _, config := range []map[string]string{{"seed": "-1"}, {"seed": "x"}, {"rank": "0"}} {
		if err := InitModel(path, config); !errors.Is(err, ErrHyperparameter) {
			t.Errorf("%v: %v", config, err)
		}
	}
	if err := InitModel(path, map[string]string{"seed": "12", "targets": "v_proj"}); err != nil {
		t.Error(err)
	}
}

func TestLearningRate(t *testing.T) {
	h := hyper{rate: 1, steps: 100, warmup: 4}
	near := func(got, want float64) bool { return math.Abs(got-want) < 2e-3 }
	if got := h.learningRate(1, 5, 2); !near(got, 0.4) {
		t.Errorf("warming up: %v", got)
	}
	if got := h.learningRate(1, 5, 5); !near(got, 1) {
		t.Errorf("at the start: %v", got)
	}
	if got := h.learningRate(5, 5, 100); !near(got, 0.1) {
		t.Errorf("at the end: %v", got)
	}
	if a, b := h.learningRate(2, 5, 1)*5, h.learningRate(1, 5, 100); !near(a, b) {
		t.Errorf("between rounds: %v after %v", a, b)
	}
	if got := h.learningRate(0, 0, 100); !near(got, 0.1) {
		t.Errorf("a run of unknown length: %v", got)
	}
}
