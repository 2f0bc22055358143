package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-mesh/weft/tensor"
)

// missing skips a test for want of something that is not Go; where everything should be there,
// as in CI, it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WEFT_TEST_ALL") == "1" {
		t.Fatalf("%s, and WEFT_TEST_ALL=1 allows no skips", what)
	}
	t.Skip(what)
}

func hasTorch(python string) bool {
	const look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
	return exec.Command(python, "-c", look).Run() == nil
}

// python returns the interpreter for tests: WEFT_PYTHON, else Debian's if it has torch, else any.
func python(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("WEFT_PYTHON"); p != "" {
		return p
	}
	const debian = "/usr/bin/python3"
	if hasTorch(debian) {
		return debian
	}
	p, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "no python3")
	}
	return p
}

// script returns a trainer that runs a script with the package from the source tree.
func script(t *testing.T, log *bytes.Buffer, args ...string) *Exec {
	t.Helper()
	sources, err := filepath.Abs("../python")
	if err != nil {
		t.Fatal(err)
	}
	w := t.Output()
	if log != nil {
		w = log
	}
	e, err := NewExec(ExecConfig{
		Command:   append([]string{python(t)}, args...),
		Env:       []string{"PYTHONPATH=" + sources, "PYTHONDONTWRITEBYTECODE=1", "OMP_NUM_THREADS=1"},
		StopGrace: time.Minute, // these scripts stop by themselves
		Log:       slog.New(slog.NewTextHandler(w, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestPythonPlain(t *testing.T) {
	var log bytes.Buffer
	e := script(t, &log, "testdata/plain.py")
	task := func(kind Kind, key, value string) Task {
		task := newTask(t, kind)
		task.Base = "../testdata/vectors/safetensors/mixed.safetensors"
		task.Config = map[string]string{key: value}
		return task
	}

	var seen []Progress
	res, err := ran(e, t.Context(), task(Train, "", ""), func(p Progress) { seen = append(seen, p) })
	if err != nil {
		t.Fatal(err)
	}
	base, err1 := os.ReadFile("../testdata/vectors/safetensors/mixed.safetensors")
	update, err2 := os.ReadFile(res.Update)
	if err1 != nil || err2 != nil || !bytes.Equal(base, update) {
		t.Errorf("an update equal to its base is another file: %v, %v", err1, err2)
	}
	if res.Samples != 5 || res.Metrics["round"] != 2 || len(seen) != 1 || seen[0].Steps != 2 || seen[0].Metrics["eval/loss"] != 0.5 {
		t.Errorf("got %+v, progress %+v", res, seen)
	}

	res, err = ran(e, t.Context(), task(Evaluate, "", ""), ignore)
	if err != nil || res.Samples != 5 || res.Metrics["tensors"] != 7 {
		t.Errorf("got %+v, %v", res, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := ran(e, ctx, task(Train, "work", "forever"), func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	pid := e.seats.all[0].proc.cmd.Process.Pid
	if _, err := ran(e, t.Context(), task(Train, "", ""), ignore); err != nil || e.seats.all[0].proc.cmd.Process.Pid != pid {
		t.Errorf("after a cancelled task: process %d instead of %d, %v", e.seats.all[0].proc.cmd.Process.Pid, pid, err)
	}

	var exit *ExitError
	_, err = ran(e, t.Context(), task(Train, "fail", "no data here"), ignore)
	if !errors.As(err, &exit) || exit.Code != 1 || exit.Stderr[len(exit.Stderr)-1] != "ValueError: no data here" {
		t.Errorf("got %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "cancelled: task 3 was cancelled") {
		t.Errorf("the script's output is not in the log:\n%s", log.String())
	}
}

// Three sites with different text train examples/pytorch for two rounds, averaged here.
func TestPythonTorchExample(t *testing.T) {
	t.Parallel() // importing torch is most of it
	if !hasTorch(python(t)) {
		missing(t, "no torch: apt-get install python3-torch, or set WEFT_PYTHON")
	}
	const train = "../examples/pytorch/train.py"
	base := filepath.Join(t.TempDir(), "base.safetensors")
	initial := script(t, nil, train, "--init", base) // for its environment
	cmd := exec.Command(initial.program, initial.cfg.Command[1:]...)
	cmd.Env = append(os.Environ(), initial.cfg.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var sites []*Exec
	for _, kind := range []string{"shakespeare", "dolly"} {
		sample := filepath.Join("builtin", "corpus", "samples", kind)
		sites = append(sites, script(t, nil, train, "--data", sample+".train.txt.gz", "--heldout", sample+".heldout.txt.gz"))
	}
	before := everywhere(t, sites, Evaluate, base, 1)
	for round := uint64(1); round <= 2; round++ {
		average(t, base, everywhere(t, sites, Train, base, round))
	}
	after := everywhere(t, sites, Evaluate, base, 3)
	for i := range sites {
		was, is := before[i].Metrics["val_loss"], after[i].Metrics["val_loss"]
		t.Logf("site %d: val_loss %.3f, then %.3f", i, was, is)
		if !(was > 5 && was < 7 && is > 1 && is < was-1.5) {
			t.Errorf("site %d did not learn", i)
		}
	}
}

// The complete trainer of docs/trainers.md is one.
func TestPythonGuide(t *testing.T) {
	t.Parallel() // importing torch is most of it
	if !hasTorch(python(t)) {
		missing(t, "no torch: apt-get install python3-torch, or set WEFT_PYTHON")
	}
	code := guideCode(t, "A complete trainer")
	base := filepath.Join(t.TempDir(), "base.safetensors")
	writeZeros(t, base, `{"bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"weight":{"dtype":"F32","shape":[1,4],"data_offsets":[4,20]}}`, 20)
	site := []*Exec{script(t, nil, "-c", code)}
	before := everywhere(t, site, Evaluate, base, 1)[0].Metrics["loss"]
	trained := everywhere(t, site, Train, base, 1)[0]
	after := everywhere(t, site, Evaluate, trained.Update, 2)[0].Metrics["loss"]
	if !(before > 1 && after < before/10) || trained.Samples != 1000 {
		t.Errorf("loss %g, then %g; %+v", before, after, trained)
	}
}

// The trainer without any framework is one too.
func TestPythonGuideWithoutFramework(t *testing.T) {
	t.Parallel()
	code := guideCode(t, "Without any framework")
	base := filepath.Join(t.TempDir(), "base.safetensors")
	writeZeros(t, base, `{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}`, 12)
	site := []*Exec{script(t, nil, "-c", code)}
	before := everywhere(t, site, Evaluate, base, 1)[0].Metrics["loss"]
	trained := everywhere(t, site, Train, base, 1)[0]
	after := everywhere(t, site, Evaluate, trained.Update, 2)[0].Metrics["loss"]
	if before != 3 || after != 0.75 || trained.Samples != 100 {
		t.Errorf("loss %g, then %g; %+v", before, after, trained)
	}
}

// guideCode returns the first Python code of docs/trainers.md after a text.
func guideCode(t *testing.T, after string) string {
	t.Helper()
	guide, err := os.ReadFile("../docs/trainers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(guide), after)
	_, rest, _ = strings.Cut(rest, "```python\n")
	code, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("the guide has no code after %q", after)
	}
	return code
}

// writeZeros writes a safetensors file of n bytes of zeros.
func writeZeros(t *testing.T, path, header string, n int) {
	t.Helper()
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	if err := os.WriteFile(path, append(file, make([]byte, n)...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// everywhere runs one task at all sites at once.
func everywhere(t *testing.T, sites []*Exec, kind Kind, base string, round uint64) []Result {
	t.Helper()
	results, errs := make([]Result, len(sites)), make([]error, len(sites))
	var wg sync.WaitGroup
	for i, e := range sites {
		task := newTask(t, kind)
		task.Base, task.Round, task.Seed = base, round, 100*round+uint64(i)
		task.Config = map[string]string{"steps": "30", "batch": "64", "lr": "0.01"}
		wg.Go(func() { results[i], errs[i] = ran(e, t.Context(), task, ignore) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return results
}

// average replaces the file base by the mean of the updates, all F32 and of one layout.
func average(t *testing.T, base string, updates []Result) {
	t.Helper()
	out, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	head := 8 + int(binary.LittleEndian.Uint64(out))
	sum := make([]float64, (len(out)-head)/4)
	for _, u := range updates {
		file, err := os.ReadFile(u.Update)
		if err != nil || len(file) != len(out) || !bytes.Equal(file[:head], out[:head]) {
			t.Fatalf("the update's layout is not the base's: %v", err)
		}
		for i := range sum {
			sum[i] += float64(math.Float32frombits(binary.LittleEndian.Uint32(file[head+4*i:])))
		}
	}
	for i, s := range sum {
		binary.LittleEndian.PutUint32(out[head+4*i:], math.Float32bits(float32(s/float64(len(updates)))))
	}
	// A new file: trainers have the old one mapped.
	if err := os.WriteFile(base+".new", out, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(base+".new", base); err != nil {
		t.Fatal(err)
	}
}

// A task says how long it may take, in which its update is still in time, and may be answered by a reason why there is none.
func TestPythonBounded(t *testing.T) {
	t.Parallel()
	e := script(t, nil, "testdata/bounded.py")
	e.cfg.Timeout = 6 * time.Second
	task := func(config map[string]string) Task {
		task := newTask(t, Train)
		task.Base, task.Config = filepath.Join(t.TempDir(), "base.safetensors"), config
		layout := tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{1}}}}
		if err := os.WriteFile(task.Base, append(layout.SafetensorsHeader(), 0, 0, 0, 0), 0o600); err != nil {
			t.Fatal(err)
		}
		return task
	}
	if res, err := ran(e, t.Context(), task(map[string]string{"skip": "no new cases"}), ignore); err != nil || res.Skip != "no new cases" || res.Update != "" {
		t.Errorf("skipped: %+v, %v", res, err)
	}
	res, err := ran(e, t.Context(), task(nil), ignore)
	if err != nil || res.Samples != 5 || res.Skip != "" || res.Metrics["left"] > 0 {
		t.Errorf("as long as it may: %+v, %v", res, err)
	}
}

// A script that says how it generates answers a prompt between two trainings, one that does not says so, and what is no text is refused.
func TestPythonGenerate(t *testing.T) {
	const text = `
import weft
from array import array
weights = {"w": array("f", [0, 0, 0])}
def generate(prompt, max_tokens, temperature, seed):
    return {"echo": prompt + "\x1b[2J" + str([max_tokens, temperature, seed]), "much": "x" * (1 << 20), "bytes": b"a"}[prompt]
for task in weft.tasks(weights, samples=1, GENERATE):
    weights["w"][0] += 1
`
	base := filepath.Join(t.TempDir(), "base.safetensors")
	writeZeros(t, base, `{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}  `, 12)
	ask := func(e *Exec, prompt string) (Result, error) {
		task := newTask(t, Generate)
		task.Base, task.Seed, task.Generate = base, 5, &Generation{Prompt: prompt, MaxTokens: 8, Temperature: 0.5}
		return ran(e, t.Context(), task, ignore)
	}
	e := script(t, nil, "-c", strings.Replace(text, "GENERATE", "generate=generate", 1))
	if res, err := ask(e, "echo"); err != nil || res.Text != "echo\x1b[2J[8, 0.5, 5]" {
		t.Errorf("%+v, %v", res, err)
	}
	training := newTask(t, Train)
	training.Base = base
	if res, err := ran(e, t.Context(), training, ignore); err != nil || res.Update == "" {
		t.Errorf("%+v, %v", res, err)
	}
	for prompt, want := range map[string]string{"much": "the text has 1048576 bytes, at most 65536", "bytes": "wants a text only"} {
		if _, err := ask(e, prompt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", prompt, err)
		}
	}
	e = script(t, nil, "-c", strings.Replace(text, ", GENERATE", "", 1))
	if res, err := ask(e, "echo"); err != nil || !strings.HasPrefix(res.Skip, "the script cannot generate") || res.Text != "" {
		t.Errorf("%+v, %v", res, err)
	}
}
