package builtin

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin/corpus"
	"github.com/weft-mesh/weft/train/builtin/weights"
)

// quick is a run small enough for a test.
func quick(mode string) map[string]string {
	return map[string]string{"mode": mode, "steps": "3", "batch": "4", "warmup": "0"}
}

func newTask(t *testing.T, config map[string]string) train.Task {
	t.Helper()
	path := filepath.Join(t.TempDir(), "first.safetensors")
	if err := InitModel(path, config); err != nil {
		t.Fatal(err)
	}
	return train.Task{Kind: train.Train, Round: 1, Rounds: 2, Attempt: 1, Base: path, Dir: t.TempDir(), Seed: 3, Config: config}
}

func newTrainer(t *testing.T, workers int) *Trainer {
	t.Helper()
	tr, err := New(Config{Data: "builtin:dolly", Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	tr.heldout = tr.heldout[:2<<10] // to be quick
	return tr
}

func runTask(t *testing.T, tr *Trainer, task train.Task) (train.Result, []byte) {
	t.Helper()
	task.Dir = t.TempDir()
	r, err := tr.Run(t.Context(), task, func(train.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(r.Update)
	if err != nil {
		t.Fatal(err)
	}
	return r, b
}

func TestTrainTask(t *testing.T) {
	for _, mode := range []string{modeLoRA, modeFull} {
		task := newTask(t, quick(mode))
		one, several := newTrainer(t, 1), newTrainer(t, 3)
		r, update := runTask(t, one, task)
		if r.Samples != 12 || r.Metrics["tokens"] != 12*128 || len(r.Metrics) != 3 {
			t.Errorf("%s: %d samples, metrics %v", mode, r.Samples, r.Metrics)
		}
		if l := r.Metrics["loss"]; !(l > 1 && l < 3) {
			t.Errorf("%s: loss %v is not that of a model that reads English", mode, l)
		}
		before, layout, err := weights.Read(task.Base)
		if err != nil {
			t.Fatal(err)
		}
		after, got, err := weights.Read(r.Update)
		if err != nil || layout.Block().CID != got.Block().CID {
			t.Errorf("%s: the update's layout differs from the base's (%v)", mode, err)
		}
		for i := range before {
			if before[i].Data[0] == after[i].Data[0] && before[i].Data[1] == after[i].Data[1] && before[i].Name != "model.embed_tokens.weight" {
				t.Errorf("%s: %s did not move", mode, before[i].Name)
			}
		}
		if _, same := runTask(t, several, task); !bytes.Equal(same, update) {
			t.Errorf("%s: three workers give another update than one", mode)
		}
		task.Seed++
		if _, other := runTask(t, one, task); bytes.Equal(other, update) {
			t.Errorf("%s: another seed gives the same update", mode)
		}
	}
}

func TestEvaluateTask(t *testing.T) {
	task := newTask(t, quick(modeLoRA))
	tr := newTrainer(t, 0)
	fresh := task
	fresh.Kind = train.Evaluate
	r, err := tr.Run(t.Context(), fresh, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Update != "" || len(r.Metrics) != 2 {
		t.Errorf("evaluation yields %+v", r)
	}
	base, err := Evaluate(t.Context(), "", nil, tr.heldout, 0)
	if err != nil || base != r.Metrics["val_loss"] {
		t.Errorf("a fresh adapter has loss %v, the base %v (%v)", r.Metrics["val_loss"], base, err)
	}
	task.Config = maps.Clone(task.Config)
	task.Config["steps"] = "12"
	trained, _ := runTask(t, tr, task)
	fresh.Base = trained.Update
	after, err := tr.Run(t.Context(), fresh, nil)
	if err != nil || after.Metrics["val_loss"] > base-0.05 {
		t.Errorf("12 steps take the held-out loss from %v to %v (%v)", base, after.Metrics["val_loss"], err)
	}
}

// A text follows from model, prompt, settings and seed; the base writes English, beyond its context too.
func TestGenerateTask(t *testing.T) {
	task, tr := newTask(t, quick(modeLoRA)), newTrainer(t, 0)
	task.Kind = train.Generate
	generate := func(prompt string, n uint64, temperature float64, seed uint64) string {
		t.Helper()
		task.Generate, task.Seed = &train.Generation{Prompt: prompt, MaxTokens: n, Temperature: temperature}, seed
		r, err := tr.Run(t.Context(), task, nil)
		if err != nil || r.Update != "" || r.Skip != "" {
			t.Fatalf("%+v, %v", r, err)
		}
		return r.Text
	}
	greedy := generate("The ", 40, 0, 1)
	if len(greedy) != 40 || !strings.Contains(greedy, " ") || strings.ContainsRune(greedy, utf8.RuneError) {
		t.Errorf("greedy: %q", greedy)
	}
	if got := generate("The ", 40, 0, 2); got != greedy {
		t.Errorf("another seed changes the likeliest text: %q, %q", got, greedy)
	}
	if got := generate("The ", 10, 0, 1); got != greedy[:10] {
		t.Errorf("fewer tokens: %q, want the beginning of %q", got, greedy)
	}
	drawn := generate("The ", 40, 1, 1)
	if again, other := generate("The ", 40, 1, 1), generate("The ", 40, 1, 2); again != drawn || other == drawn {
		t.Errorf("seed 1: %q, again %q, seed 2: %q", drawn, again, other)
	}
	if got := generate("The ", 40, 1e-300, 1); got != greedy {
		t.Errorf("next to no temperature: %q, want %q", got, greedy)
	}
	if got := generate(strings.Repeat("The quick brown fox. ", 20), 150, 0, 1); len(got) != 150 {
		t.Errorf("a long prompt: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Run(ctx, task, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCancel(t *testing.T) {
	task := newTask(t, map[string]string{"steps": "1000000", "batch": "4"})
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	_, err := newTrainer(t, 1).Run(ctx, task, func(p train.Progress) {
		steps++
		cancel()
	})
	if !errors.Is(err, context.Canceled) || steps != 1 {
		t.Errorf("%v after %d reports", err, steps)
	}
	if files, _ := os.ReadDir(task.Dir); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestWrongBase(t *testing.T) {
	task := newTask(t, quick(modeLoRA))
	for name, config := range map[string]map[string]string{
		"mode":    {"mode": "full"},
		"rank":    {"rank": "4"},
		"targets": {"targets": "q_proj"},
	} {
		task.Config = config
		if _, err := newTrainer(t, 1).Run(t.Context(), task, nil); !errors.Is(err, ErrBase) {
			t.Errorf("other %s: %v", name, err)
		}
	}
}

func TestDivergence(t *testing.T) {
	task := newTask(t, map[string]string{"mode": "full", "lr": "1", "steps": "3", "batch": "2", "warmup": "0"})
	r, err := newTrainer(t, 0).Run(t.Context(), task, nil)
	if err != nil && !errors.Is(err, ErrDiverged) {
		t.Errorf("error %v", err)
	}
	if err == nil && r.Metrics["loss"] < 2 {
		t.Errorf("a senseless learning rate reaches loss %v", r.Metrics["loss"])
	}
}

func TestData(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, n int) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), n), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("own.txt", 20_000)
	tr, err := New(Config{Data: file})
	if err != nil || len(tr.train) != 18_000 || len(tr.heldout) != 2_000 {
		t.Errorf("one file: %v", err)
	}
	if tr, err = New(Config{Data: file, Heldout: write("held.txt", 3000)}); err != nil || len(tr.train) != 20_000 || len(tr.heldout) != 3000 {
		t.Errorf("two files: %v", err)
	}
	write("folder/a.txt", 5000)
	write("folder/b.txt", 5000)
	write("folder/c.jpg", 5000)
	if tr, err = New(Config{Data: filepath.Join(dir, "folder")}); err != nil || len(tr.train)+len(tr.heldout) != 10_002 {
		t.Errorf("folder: %v", err)
	}
	if tr, err = New(Config{Data: "builtin:wikitext"}); err != nil || bytes.Contains(tr.train, tr.heldout[:200]) {
		t.Errorf("sample: %v", err)
	}
	for _, c := range []Config{{}, {Data: filepath.Join(dir, "none")}, {Data: write("short.txt", 100)}, {Data: "builtin:latin"}, {Data: file, Heldout: "builtin:latin"}, {Data: write("bad.txt.gz", 5000)}} {
		if _, err := New(c); !errors.Is(err, ErrData) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := New(Config{Data: "builtin:latin"}); !errors.Is(err, corpus.ErrUnknown) {
		t.Errorf("unknown sample: %v", err)
	}
}
