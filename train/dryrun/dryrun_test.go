package dryrun

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// newRun returns a dry run in the directory of a site with the synthetic trainer, and the folder where it keeps its files.
func newRun(t *testing.T, c Config) (*Run, string) {
	t.Helper()
	c.Dir, c.Rounds = t.TempDir(), 2
	t.Setenv("TMPDIR", t.TempDir())
	config := "name: a\ntrainer: {synthetic: {bytes: 4KB}}\ntrain: {lr: 0.25}\n"
	if err := os.WriteFile(filepath.Join(c.Dir, site.ConfigFile), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return run, os.TempDir()
}

// script is a trainer that a test writes; it may look at its task first.
type script struct {
	train.Synthetic
	do func(task train.Task, res *train.Result) error
}

func (s *script) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	res, err := s.Synthetic.Run(ctx, task, report)
	if err == nil {
		err = s.do(task, &res)
	}
	return res, err
}

func TestRounds(t *testing.T) {
	run, files := newRun(t, Config{Train: map[string]string{"lr": "1", "steps": "5"}})
	var tasks []train.Task
	run.trainer = &script{do: func(task train.Task, _ *train.Result) error {
		tasks = append(tasks, task)
		return nil
	}}
	steps := 0
	for n := uint64(1); n <= 2; n++ {
		r, err := run.Round(t.Context(), func(train.Progress) { steps++ })
		if err != nil || r.Round != n || r.Samples == 0 || r.Metrics["loss"] == 0 || r.Bytes < 4000 || r.Took <= 0 {
			t.Fatalf("round %d: %+v, %v", n, r, err)
		}
	}
	for i, task := range tasks {
		if task.Kind != train.Train || task.Round != uint64(i+1) || task.Rounds != 2 || task.Config["lr"] != "0.25" || task.Config["steps"] != "5" {
			t.Errorf("task %+v", task)
		}
	}
	if tasks[0].Base == tasks[1].Base || tasks[0].Seed == tasks[1].Seed || tasks[0].Run != tasks[1].Run || steps == 0 {
		t.Errorf("%d steps of tasks %+v", steps, tasks)
	}
	var update bytes.Buffer
	if err := run.Export(&update); err != nil {
		t.Error(err)
	}
	if h, err := tensor.ReadHeader(bytes.NewReader(update.Bytes()), int64(update.Len())); err != nil || len(h.Tensors) != 1 {
		t.Errorf("update: %+v, %v", h, err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(files); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// What a node does not take is refused, and said with what to do.
func TestRefuses(t *testing.T) {
	other := modelOf(t, one)
	exit := &train.ExitError{Command: "x", Status: "exit status 1", Code: 1, Asked: true, Stderr: []string{"no data"}}
	for _, c := range []struct {
		name string
		do   func(task train.Task, res *train.Result) error
		want string
	}{
		{"no samples", func(_ train.Task, res *train.Result) error { res.Samples = 0; return nil }, "it saw no samples"},
		{"another layout", func(_ train.Task, res *train.Result) error { res.Update = other; return nil }, "another layout than the run's: "},
		{"no safetensors", func(task train.Task, res *train.Result) error { return os.WriteFile(res.Update, []byte("no"), 0o600) }, "hint: an update is a safetensors file"},
		{"not finite", spoil, "element is not finite\n  hint: training has diverged"},
		{"an end", func(train.Task, *train.Result) error { return exit }, "before it sent an update: no data\n  hint: what the trainer wrote is above"},
		{"nothing sent", func(train.Task, *train.Result) error { return train.ErrNoUpdate }, "for this one\n  hint: call send once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run, files := newRun(t, Config{})
			run.trainer = &script{do: c.do}
			if _, err := run.Round(t.Context(), nil); err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "hint:") > 1 {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if left, err := os.ReadDir(run.dir); err != nil || len(left) != 2 { // the store, and the run's folder
				t.Errorf("the task's folder is left: %v %v", left, err)
			}
			if err := run.Close(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(files); err != nil || len(left) > 0 {
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
}

// spoil makes the last element of an update infinite.
func spoil(_ train.Task, res *train.Result) error {
	data, err := os.ReadFile(res.Update)
	if err != nil {
		return err
	}
	copy(data[len(data)-4:], []byte{0, 0, 0x80, 0x7f})
	return os.WriteFile(res.Update, data, 0o600)
}

// TestConstants: what the model has beside its weights is with every task, and in no update.
func TestConstants(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "norm.count", DType: tensor.I64}, {Name: "w", DType: tensor.F32, Shape: []uint64{2}}}}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	file := append(l.HeaderWithAliases(map[string]string{"tied": "w"}), 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 0)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	run, _ := newRun(t, Config{Base: path})
	defer run.Close()
	run.trainer = &script{do: func(task train.Task, _ *train.Result) error {
		data, err := os.ReadFile(task.Constants)
		if err == nil && (data[len(data)-8] != 7 || task.Aliases["tied"] != "w") {
			err = errors.New("the constants are others")
		}
		return err
	}}
	for range 2 {
		if _, err := run.Round(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	var update bytes.Buffer
	if err := run.Export(&update); err != nil || bytes.Contains(update.Bytes(), []byte("norm.count")) {
		t.Errorf("an update has the counter, or %v", err)
	}
}

// TestLocal: tensors that stay at the site are named to the trainer, and in no update.
func TestLocal(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "head.w", DType: tensor.F32, Shape: []uint64{1}}, {Name: "w", DType: tensor.F32, Shape: []uint64{1}}}}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, append(l.SafetensorsHeader(), 0, 0, 128, 63, 0, 0, 0, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{Command: []string{"true"}, Base: path, Local: []string{"tail*"}}); !errors.Is(err, ErrBase) || !strings.Contains(err.Error(), `"tail*"`) {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
	run, _ := newRun(t, Config{Base: path, Local: []string{"head*"}})
	defer run.Close()
	run.trainer = &script{do: func(task train.Task, _ *train.Result) error {
		if !slices.Equal(task.Local, []string{"head.w"}) || task.Constants == "" || task.StateDir == "" {
			return fmt.Errorf("the task is %+v", task)
		}
		return nil
	}}
	if _, err := run.Round(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var update bytes.Buffer
	if err := run.Export(&update); err != nil || bytes.Contains(update.Bytes(), []byte("head.w")) {
		t.Errorf("an update has the site's own tensor, or %v", err)
	}
}

func TestStops(t *testing.T) {
	run, _ := newRun(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := run.Round(ctx, func(train.Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, site.ConfigFile), []byte("name: a\ntrainer: {exec: [sh]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []struct {
		config Config
		is     error
		want   string
	}{
		{Config{Dir: dir}, ErrBase, "the model to start from: none named, and the script makes none: trainer \"sh\" ended"},
		{Config{Dir: dir, Base: "nosuch"}, ErrBase, "nosuch: no such file or directory"},
		{Config{Dir: dir, Base: modelOf(t, one, infinity)}, ErrBase, "element is not finite\n  hint: a model is"},
		{Config{Command: []string{"pyton3"}, Base: modelOf(t, one)}, train.ErrCommand, "in PATH\n  hint: install it, or give its full path"},
		{Config{Dir: t.TempDir()}, site.ErrNotInitialised, "no config.yaml\n  hint: run weft init"},
	} {
		if _, err := New(t.Context(), c.config); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

const one, infinity = 0x3f800000, 0x7f800000

// modelOf writes a safetensors file of one F32 tensor.
func modelOf(t *testing.T, elements ...uint32) string {
	t.Helper()
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{uint64(len(elements))}}}}
	data := l.SafetensorsHeader()
	for _, e := range elements {
		data = binary.LittleEndian.AppendUint32(data, e)
	}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
