package builtin

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/train"
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
		"seed":    {"-1", "x", "1.5"},
	} {
		for _, v := range values {
			_, err := parse(map[string]string{key: v})
			if !errors.Is(err, train.ErrHyperparameter) || !strings.Contains(err.Error(), key) && key != "targets" {
				t.Errorf("%s=%q: %v", key, v, err)
			}
		}
	}
	if _, err := parse(map[string]string{"mode": "full", "rank": "8"}); !errors.Is(err, train.ErrHyperparameter) {
		t.Errorf("rank in full mode: %v", err)
	}
}

func TestInitModel(t *testing.T) {
	dir := t.TempDir()
	file := func(name, seed string) string {
		path := filepath.Join(dir, name)
		if err := InitModel(path, map[string]string{"targets": "v_proj", "seed": seed}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if file("a", "1") != file("b", "1") || file("a", "1") == file("c", "2") {
		t.Error("a first model does not follow from its seed")
	}
	if err := InitModel(filepath.Join(dir, "d"), map[string]string{"rank": "0"}); !errors.Is(err, train.ErrHyperparameter) {
		t.Errorf("rank 0: %v", err)
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
