package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-mesh/weft/hint"
)

// play returns a trainer whose process plays part; a short grace, for those that will not stop.
func play(t *testing.T, part string, env ...string) *Exec {
	t.Helper()
	e, err := NewExec(ExecConfig{
		Command:   []string{os.Args[0]},
		Env:       append(env, partEnv+"="+part),
		StopGrace: 20 * time.Millisecond,
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func newTask(t *testing.T, kind Kind) Task {
	t.Helper()
	dir := t.TempDir()
	base := filepath.Join(dir, "base.safetensors")
	if err := os.WriteFile(base, []byte("weights"), 0o400); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	return Task{Kind: kind, Run: "bafy", Name: "demo", Round: 2, Rounds: 5, Attempt: 1, Base: base, Dir: work, Seed: 1<<64 - 1}
}

func ignore(Progress) {}

func TestExecKeepsTheProcess(t *testing.T) {
	e := play(t, "loop")
	if e.Process("bafy") != 0 {
		t.Error("it has a process before its first task")
	}
	var pid float64
	for i, kind := range []Kind{Train, Evaluate, Train} {
		task := newTask(t, kind)
		var seen []Progress
		res, err := ran(e, t.Context(), task, func(p Progress) { seen = append(seen, p) })
		if err != nil {
			t.Fatal(err)
		}
		if res.Samples != 3 || res.Metrics["pid"] == 0 || len(seen) != 1 || seen[0].Step != 1 || seen[0].Metrics["loss"] != 0.5 {
			t.Errorf("task %d: %+v, progress %+v", i, res, seen)
		}
		if want := filepath.Join(task.Dir, "update.safetensors"); kind == Train && res.Update != want || kind == Evaluate && res.Update != "" {
			t.Errorf("task %d: update %q", i, res.Update)
		}
		if i > 0 && res.Metrics["pid"] != pid {
			t.Errorf("task %d went to another process", i)
		}
		if pid = res.Metrics["pid"]; e.Process("bafy") != int(pid) {
			t.Errorf("task %d went to process %v, and not to %d", i, pid, e.Process("bafy"))
		}
	}
	if err := e.Close(); err != nil || e.Process("bafy") != 0 {
		t.Errorf("after Close: process %d, %v", e.Process("bafy"), err)
	}
}

// A task of another run goes to a new process; the idle one is told to stop, or ended.
func TestExecNewRun(t *testing.T) {
	for part, status := range map[string]string{"loop": "exit status 0", "one task and no end": "signal: "} {
		t.Run(part, func(t *testing.T) {
			e := play(t, part)
			if part == "loop" {
				e.cfg.StopGrace = time.Minute
			}
			first, err := ran(e, t.Context(), newTask(t, Train), ignore)
			if err != nil {
				t.Fatal(err)
			}
			before, task := e.seats.all[0].proc, newTask(t, Train)
			task.Run = "another"
			second, err := ran(e, t.Context(), task, ignore)
			if err != nil || second.Metrics["pid"] == first.Metrics["pid"] {
				t.Errorf("another run went to process %v after %v, %v", second.Metrics["pid"], first.Metrics["pid"], err)
			}
			if before.alive() || !strings.HasPrefix(before.status(), status) {
				t.Errorf("the first run's process: alive %t, %s", before.alive(), before.status())
			}
		})
	}
}

// With room for two, runs have a process each, at the same time and from round to round; a third takes the place of who was idle
// for longest.
func TestExecProcesses(t *testing.T) {
	e := play(t, "loop")
	e.cfg.StopGrace = time.Minute
	e.seats = newSeats(2)
	if e.Processes() != 2 {
		t.Error(e.Processes())
	}
	train := func(run string) float64 {
		task := newTask(t, Train)
		task.Run = run
		res, err := ran(e, t.Context(), task, ignore)
		if err != nil {
			t.Fatal(err)
		}
		return res.Metrics["pid"]
	}
	a := train("a")
	var b float64
	task, inside := newTask(t, Train), false
	task.Run = "a"
	res, err := ran(e, t.Context(), task, func(Progress) {
		if !inside { // while a trains
			inside = true
			b = train("b")
		}
	})
	if err != nil || res.Metrics["pid"] != a || b == 0 || b == a {
		t.Fatalf("a went to %v, then %v, b to %v at the same time, %v", a, res.Metrics["pid"], b, err)
	}
	if train("b") != b || train("a") != a || e.Process("a") != int(a) || e.Process("b") != int(b) || e.Process("c") != 0 {
		t.Error("they do not keep their processes")
	}
	c := train("c")
	if train("a") != a || train("c") != c || e.Process("b") != 0 {
		t.Error("the third run did not take the place of the one that was idle for longest")
	}
	if err := e.Close(); err != nil || e.Process("a") != 0 || e.Process("c") != 0 {
		t.Errorf("after Close: %v", err)
	}
}

// A process hears what became of its update before it has to give way to another run's.
func TestExecDismissAfterSettling(t *testing.T) {
	e := play(t, "loop")
	e.cfg.StopGrace = time.Minute
	first, err := e.Run(t.Context(), newTask(t, Train), ignore)
	if err != nil {
		t.Fatal(err)
	}
	before := e.seats.all[0].proc
	ended := make(chan error)
	go func() {
		task := newTask(t, Train)
		task.Run = "another"
		_, err := ran(e, t.Context(), task, ignore)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it gives way before: %v", err)
	case <-time.After(100 * time.Millisecond): // nothing comes, so there is nothing to wait for
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := before.desk.settle(gone); !errors.Is(err, context.Canceled) || !before.alive() {
		t.Errorf("who waits for it no longer: %v", err)
	}
	first.Settle(nil)
	if err := <-ended; err != nil || before.status() != "exit status 0" { // it would have failed, had its update not been taken
		t.Errorf("%v, the process ended with %s", err, before.status())
	}
}

func TestExecRestartsTheProcess(t *testing.T) {
	t.Run("that does one task", func(t *testing.T) {
		e := play(t, "one task")
		pids := map[float64]bool{}
		for range 3 {
			res, err := ran(e, t.Context(), newTask(t, Train), ignore)
			if err != nil {
				t.Fatal(err)
			}
			pids[res.Metrics["pid"]] = true
		}
		if len(pids) != 3 {
			t.Errorf("%d processes for 3 tasks", len(pids))
		}
	})
	t.Run("that died between tasks", func(t *testing.T) {
		e := play(t, "loop")
		for range 2 {
			if _, err := ran(e, t.Context(), newTask(t, Train), ignore); err != nil {
				t.Fatal(err)
			}
			if err := e.seats.all[0].proc.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-e.seats.all[0].proc.exited // a process that dies with the task already on its way has it in hand
		}
	})
	t.Run("that crashed", func(t *testing.T) {
		e := play(t, "crash")
		for range 2 {
			var exit *ExitError
			if _, err := ran(e, t.Context(), newTask(t, Train), ignore); !errors.As(err, &exit) || !exit.Asked {
				t.Fatalf("got %v", err)
			}
		}
	})
}

func TestExitErrorBrief(t *testing.T) {
	for want, e := range map[string]*ExitError{
		`trainer "python3 t.py" ended with exit status 1 before it sent an update: RuntimeError: CUDA out of memory (t.py:3)`: {
			Code: 1, Status: "exit status 1", Asked: true,
			Stderr: []string{"Traceback (most recent call last):", `  File "t.py", line 3, in <module>`, "RuntimeError: CUDA out of memory", ""},
		},
		`trainer "python3 t.py" ended with exit status 1 before it sent an update: weft.LayoutError: tensor 'w' is missing`: {
			Code: 1, Status: "exit status 1", Asked: true, Stderr: []string{"weft.LayoutError: tensor 'w' is missing", "hint: send every tensor", "  of the base"},
		},
		`trainer "python3 t.py" ended with exit status 2 before it asked for a task`: {
			Code: 2, Status: "exit status 2",
		},
	} {
		e.Command = "python3 t.py"
		if got := e.Brief(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestExecFailures(t *testing.T) {
	for part, want := range map[string][]string{
		"crash":         {"exit status 3 before it sent an update", "    line 11 of task 1\n", "    line 30 of task 1"},
		"crash at once": {"exit status 1 before it asked for a task", "ModuleNotFoundError"},
		"no weft":       {"exit status 0 before it asked for a task", "hint: the script ended by itself: call init and receive"},
		"silent":        {"exit status 0 before it sent an update", "hint: the script ended by itself: call send"},
		"wrong path":    {"exit status 1 before it sent an update", "422", "outside the task's folder"},
		"oversized":     {"exit status 1 before it sent an update", "413", "more than 65536 bytes"},
		"skip":          {ErrNoUpdate.Error()},
	} {
		t.Run(part, func(t *testing.T) {
			_, err := ran(play(t, part), t.Context(), newTask(t, Train), ignore)
			if err == nil {
				t.Fatal("no error")
			}
			for _, s := range want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q is not in %q", s, err)
				}
			}
			if strings.Contains(err.Error(), "line 10 ") {
				t.Errorf("more than %d lines: %q", shownLines, err)
			}
		})
	}
}

func TestExecCancel(t *testing.T) {
	// cancelled runs a task that is cancelled at its first progress.
	cancelled := func(t *testing.T, e *Exec) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := ran(e, ctx, newTask(t, Train), func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	t.Run("yielding", func(t *testing.T) {
		e := play(t, "yields")
		e.cfg.StopGrace = time.Minute
		cancelled(t, e)
		pid := e.seats.all[0].proc.cmd.Process.Pid
		res, err := ran(e, t.Context(), newTask(t, Train), ignore)
		if err != nil {
			t.Fatal(err)
		}
		if res.Metrics["late"] != taskOver || res.Metrics["pid"] != float64(pid) {
			t.Errorf("got %v from process %d", res.Metrics, pid)
		}
	})
	for _, part := range []string{"hang", "stubborn"} {
		t.Run(part, func(t *testing.T) {
			life := newLife(t)
			e := play(t, part, lifeEnv+"="+life.path)
			cancelled(t, e)
			if e.seats.all[0].proc.alive() {
				t.Error("the process is kept")
			}
			ended(t, life.next(t))
			if part == "stubborn" {
				ended(t, life.next(t)) // its child
			}
		})
	}
	t.Run("before the start", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e := play(t, "loop")
		if _, err := ran(e, ctx, newTask(t, Train), ignore); !errors.Is(err, context.Canceled) || e.seats.all[0].proc != nil {
			t.Errorf("got %v, process %v", err, e.seats.all[0].proc)
		}
	})
}

func TestExecClose(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		life := newLife(t)
		e := play(t, "loop", lifeEnv+"="+life.path)
		e.cfg.StopGrace = time.Minute
		if _, err := ran(e, t.Context(), newTask(t, Train), ignore); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		ended(t, life.next(t))
		if status := e.seats.all[0].proc.status(); status != "exit status 0" {
			t.Errorf("told to stop it ended with %s", status)
		}
		if _, err := os.Stat(e.seats.all[0].proc.counter.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket's folder is left: %v", err)
		}
		if _, err := ran(e, t.Context(), newTask(t, Train), ignore); !errors.Is(err, ErrClosed) {
			t.Errorf("a task after Close: %v", err)
		}
	})
	t.Run("working", func(t *testing.T) {
		life := newLife(t)
		e := play(t, "hang", lifeEnv+"="+life.path)
		var wg sync.WaitGroup
		_, err := ran(e, t.Context(), newTask(t, Train), func(Progress) { wg.Go(func() { e.Close() }) })
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		wg.Wait()
		ended(t, life.next(t))
	})
}

// A node that dies by kill -9 takes its trainer along.
func TestExecOrphan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process of its parent's death")
	}
	life := newLife(t)
	task, err := json.Marshal(newTask(t, Train))
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command(os.Args[0])
	node.Env = append(os.Environ(), partEnv+"=node", lifeEnv+"="+life.path, "WEFT_TEST_TASK="+string(task),
		"TMPDIR="+filepath.Dir(life.path)) // for the socket that it cannot remove
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	first, second := life.next(t), life.next(t)
	if err := node.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended(t, first)
	ended(t, second)
	_ = node.Wait()
}

func TestNewExecRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want, hint string
		cfg        ExecConfig
	}{
		{"it is empty", "write trainer:", ExecConfig{}},
		{`"pyton3" is not in PATH`, "install it, or give its full path", ExecConfig{Command: []string{"pyton3", "train.py"}}},
		{`"./train.py" is not executable`, "chmod +x", ExecConfig{Command: []string{"./train.py"}, Dir: dir}},
		{"nothing: no such file", "relative paths start at the working directory " + dir, ExecConfig{Command: []string{"./nothing"}, Dir: dir}},
		{"working directory: stat ", "", ExecConfig{Command: []string{"sh"}, Dir: filepath.Join(dir, "none")}},
		{"train.py is not a folder", "", ExecConfig{Command: []string{"sh"}, Dir: filepath.Join(dir, "train.py")}},
	} {
		_, err := NewExec(c.cfg)
		if !errors.Is(err, ErrCommand) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
		text, advice := hint.Split(err)
		if !strings.HasPrefix(advice, c.hint) || (advice == "") != (c.hint == "") || strings.Contains(text, "hint:") {
			t.Errorf("want the hint %q, got %q of %v", c.hint, advice, err)
		}
		if inDir := strings.HasPrefix(c.cfg.Dir, dir+"/"); errors.Is(err, ErrDir) != inDir {
			t.Errorf("the directory is the cause: %t, %v", !inDir, err)
		}
	}
}

// A run directory too deep for a Unix socket is no obstacle.
func TestExecDeepRunDir(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", maxSocketPath))
	if err := os.Mkdir(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	e := play(t, "one task")
	e.cfg.RunDir = deep
	if _, err := ran(e, t.Context(), newTask(t, Train), ignore); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(deep)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Tasks that come together run one after the other.
func TestExecOneAtATime(t *testing.T) {
	e := play(t, "loop")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		task := newTask(t, Train)
		wg.Go(func() { _, errs[i] = ran(e, t.Context(), task, ignore) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

func TestExitErrorOfSignal(t *testing.T) {
	e := &ExitError{Command: "python3 train.py", Status: "signal: killed", Code: -1, Asked: true}
	if s := fmt.Sprint(e); !strings.Contains(s, "out-of-memory") {
		t.Error(s)
	}
}

// The public index has another project's package of the name that scripts import.
func TestExitErrorOfForeignPackage(t *testing.T) {
	e := &ExitError{Status: "exit status 1", Code: 1, Stderr: []string{"Traceback", "AttributeError: module 'weft' has no attribute 'tasks'"}}
	if hint := e.own(); !strings.Contains(hint, "install weft-mesh") {
		t.Error(hint)
	}
}

// A process that is busy when it is to end hears of it by SIGTERM, and may save what it has.
func TestExecGrace(t *testing.T) {
	t.Parallel()
	e := play(t, "saves")
	e.cfg.StopGrace, e.cfg.Dir = 3*time.Second, t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := ran(e, ctx, newTask(t, Train), func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if status := e.seats.all[0].proc.status(); status != "exit status 0" {
		t.Errorf("it ended with %s", status)
	}
	if _, err := os.Stat(filepath.Join(e.cfg.Dir, "saved")); err != nil {
		t.Error(err)
	}
}

// A task that takes longer than it may has failed, which is not the node's wish.
func TestExecTimeout(t *testing.T) {
	e := play(t, "hang")
	e.cfg.Timeout = 300 * time.Millisecond
	if _, err := ran(e, t.Context(), newTask(t, Train), ignore); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "trainer.timeout") {
		t.Errorf("got %v", err)
	}
	if e.seats.all[0].proc.alive() {
		t.Error("the process is kept")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ran(e, ctx, newTask(t, Train), ignore); !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Errorf("cancelled: %v", err)
	}
}

// The process that has made a run's first model goes on with that run: it has trained nothing.
func TestExecInit(t *testing.T) {
	e := play(t, "loop")
	task := newTask(t, Init)
	task.Base, task.Run = "", ""
	res, err := ran(e, t.Context(), task, ignore)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := os.ReadFile(res.Update); err != nil || string(made) != "made" {
		t.Errorf("made %q, %v", made, err)
	}
	edited, err := ran(e, t.Context(), task, ignore)
	if err != nil || edited.Metrics["pid"] == res.Metrics["pid"] {
		t.Errorf("another model is made by %v, %v: the script may have been edited", edited.Metrics, err)
	}
	pid := edited.Metrics["pid"]
	for _, c := range []struct {
		run  string
		same bool
	}{{"a", true}, {"a", true}, {"b", false}} {
		task := newTask(t, Train)
		task.Run = c.run
		if res, err := ran(e, t.Context(), task, ignore); err != nil || (res.Metrics["pid"] == pid) != c.same {
			t.Errorf("run %s: %v, %v", c.run, res.Metrics, err)
		}
	}
}
