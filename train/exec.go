package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train/proctree"
)

// ExecConfig says how to run the user's process.
type ExecConfig struct {
	// Command is the program and its arguments; no shell reads them. A program without a slash
	// is looked up in the node's PATH, one with a relative path is taken from Dir.
	Command []string
	// Dir is the process' working directory; empty is the node's own.
	Dir string
	// Env holds "NAME=value" entries, put over the node's own environment.
	Env []string
	// RunDir is where the socket's folder is made; empty, or too long a path for a Unix
	// socket, is the system's folder for temporary files.
	RunDir string
	// Log gets every line that the process writes; nil drops them.
	Log *slog.Logger
	// StopGrace is how long the process may go on after SIGTERM, to save what it has, before SIGKILL ends it. SIGTERM comes when
	// it has not put a task down, or not ended, some seconds after it could hear of it. 0 is 20 s: with those seconds it is less
	// than the half minute that clusters' schedulers give. For a process that has processes of its own, such as torchrun, it is 30 s.
	StopGrace time.Duration
	// Timeout is the longest that a task may take; 0 is without limit.
	Timeout time.Duration
	// MaxProcesses is how many processes may live at a time, each for a run; 0 is 1.
	MaxProcesses int
	// Idle is how long a process without a task is kept for the run's next one; 0 is until the run is over.
	Idle time.Duration
	// NoteDir is a folder of this trainer's own in which each start is noted, so that what is left of a node that was killed is
	// ended when the next trainer is made; empty: none.
	NoteDir string
}

// A line that the process writes is a record with this message, the line in this attribute, and the run's name and the round of
// the task that it has, or had last, in others.
const (
	OutputMessage = "trainer output"
	OutputLine    = "line"
	OutputRun     = "run"
	OutputRound   = "round"
)

const (
	defaultStopGrace = 20 * time.Second
	// quietGrace is how long the process may go on before SIGTERM: some training steps, after which it hears of a task's end.
	quietGrace = 5 * time.Second
	// launcherQuiet and launcherGrace are that and defaultStopGrace for a launcher.
	launcherQuiet = 10 * time.Second
	launcherGrace = 30 * time.Second
	// overIdle is how long the process of a run that is over is kept for a next question about its models.
	overIdle = 30 * time.Second
	// killGrace is how long the kernel may take over SIGKILL.
	killGrace = 2 * time.Second
	// quietAfter is when the log says that a new process has not asked for its task; importing
	// a large framework from a cold disk takes half of it.
	quietAfter = time.Minute
)

// Exec is the trainer that is the user's own process, or a few of them. See the package's words for its life.
type Exec struct {
	cfg     ExecConfig
	program string // Command[0], found
	log     *slog.Logger

	once   sync.Once
	closed chan struct{} // closed by Close
	seats  *seats
	lastID atomic.Uint64
	left   leftovers
}

var _ Trainer = (*Exec)(nil)

// NewExec returns a trainer that runs cfg.Command; the process is started by the first task.
// A command that cannot be found is refused here, with ErrCommand; package hint has what to do about it.
func NewExec(cfg ExecConfig) (*Exec, error) {
	if len(cfg.Command) == 0 || cfg.Command[0] == "" {
		return nil, hint.Add(fmt.Errorf("%w: it is empty", ErrCommand), "write trainer: {exec: [python3, train.py]}")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrCommand, ErrDir, err)
	}
	cfg.Dir = dir
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrCommand, ErrDir, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%w: %w: %s is not a folder", ErrCommand, ErrDir, dir)
	}
	program, err := findProgram(cfg.Command[0], dir)
	if err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &Exec{cfg: cfg, program: program, log: log, closed: make(chan struct{}), seats: newSeats(max(1, cfg.MaxProcesses))}
	return e, e.sweep()
}

// sweep ends what an earlier life of the node has left, before anything is started beside it.
func (e *Exec) sweep() error {
	if e.cfg.NoteDir == "" {
		return nil
	}
	ended, left, err := proctree.Sweep(e.cfg.NoteDir, killGrace)
	if len(ended) > 0 {
		e.log.Warn("processes of the trainer were left by a node that was killed; they are ended", "pids", pids(ended))
	}
	e.left.add(left)
	return err
}

// findProgram resolves name as the shell would that starts in dir.
func findProgram(name, dir string) (string, error) {
	path := name
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		path = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(path)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", hint.Add(fmt.Errorf("%w: %q is not in PATH", ErrCommand, name), "install it, or give its full path")
	case errors.Is(err, os.ErrPermission):
		return "", hint.Add(fmt.Errorf("%w: %q is not executable", ErrCommand, name), "chmod +x, or name its interpreter first")
	case err != nil:
		return "", hint.Add(fmt.Errorf("%w: %w", ErrCommand, err), "relative paths start at the working directory "+dir)
	}
	return path, nil
}

// Run gives the task to the process, starting it if need be, and returns its update. Beyond
// Trainer's contract: report is called from another goroutine and must not block; a process
// that gave up a cancelled task in time stays, idle, for the next one of the same run.
//
// Errors: an *ExitError if the process ended first, ErrNoUpdate if it asked for another task
// first, ErrCommand if it could not be started, ErrTimeout if it took too long, ErrClosed after Close.
func (e *Exec) Run(ctx context.Context, task Task, report func(Progress)) (Result, error) {
	if e.cfg.Timeout <= 0 {
		return e.run(ctx, task, report)
	}
	inner, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	res, err := e.run(inner, task, report)
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		err = hint.Add(fmt.Errorf("%w: more than %v over a task", ErrTimeout, e.cfg.Timeout), "trainer.timeout in config.yaml says how long a task may take")
	}
	return res, err
}

func (e *Exec) run(ctx context.Context, task Task, report func(Progress)) (res Result, err error) {
	s, err := e.seats.take(ctx, e.closed, task)
	if err != nil {
		return Result{}, err
	}
	defer func() { e.leave(s, task.Over) }()
	if task, err = absolute(task); err != nil {
		return Result{}, err
	}
	if report == nil {
		report = func(Progress) {}
	}
	id := e.lastID.Add(1)
	if err := e.dismiss(ctx, s, task); err != nil {
		return Result{}, err
	}
	for {
		fresh := !s.lives()
		if fresh {
			p, err := startProcess(e.cfg, e.program, e.log, task, e.left.add)
			if err != nil {
				return Result{}, err
			}
			s.sit(p)
		}
		s.work(task.Run)
		res, err := e.do(ctx, s.proc, newJob(id, task, e.due(ctx, task.Bell), report))
		var exit *ExitError
		if !fresh && errors.As(err, &exit) && !exit.Asked {
			continue // it ended between two tasks: this one starts it again
		}
		if errors.Is(err, ErrWorker) {
			s.proc.stop(e.cfg.StopGrace) // it waits for workers that can do nothing
		}
		return res, err
	}
}

// due returns when a training should end for its update to come in time: writing it takes some time too, which is left after the
// bell of a run with a round time.
func (e *Exec) due(ctx context.Context, bell time.Time) time.Time {
	end, limited := ctx.Deadline()
	if !limited {
		return bell
	}
	if end = end.Add(-e.cfg.Timeout / 20); !bell.IsZero() && bell.Before(end) {
		return bell
	}
	return end
}

// Processes returns for how many runs at a time there may be a process.
func (e *Exec) Processes() int { return len(e.seats.all) }

// Process returns the ID of the user's process that works for a run, 0 while none runs.
func (e *Exec) Process(run string) int {
	for _, s := range e.seats.all {
		if l := s.living.Load(); l != nil && l.of == run && l.alive() {
			return l.cmd.Process.Pid
		}
	}
	return 0
}

// Left returns the processes that outlive the trainers which have started them, and cannot be ended.
func (e *Exec) Left() []int { return pids(e.left.now()) }

// dismiss ends the idle process of another run, as Close would: it has that run's model and optimizer in its memory, and
// perhaps an older state of the script, which is edited between two runs. One that has made a run's first model has trained nothing.
func (e *Exec) dismiss(ctx context.Context, s *seat, task Task) error {
	if s.lives() && (task.Kind == Init || s.of != "" && s.of != task.Run) {
		return e.end(ctx, s, "the next task is of another run")
	}
	return nil
}

// absolute returns task with paths that mean the same in the process' working directory.
func absolute(task Task) (Task, error) {
	for _, p := range []*string{&task.Base, &task.Dir} {
		if *p == "" && task.Kind == Init {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return Task{}, fmt.Errorf("files of the task: %w", err)
		}
		*p = abs
	}
	return task, nil
}

// do offers j to the living process and waits until it is over, here or there.
func (e *Exec) do(ctx context.Context, p *process, j *job) (res Result, err error) {
	p.task.Store(&j.task)
	defer func() {
		if err != nil {
			j.settle(err) // it may have been sent in the very moment
		}
	}()
	p.desk.offer(j)
	defer p.desk.withdraw(j)
	quiet := time.AfterFunc(quietAfter, func() {
		if !p.desk.isTaken(j) {
			e.log.Warn("trainer has not asked for its task yet; hint: the script calls init and receive", "command", e.cfg.Command)
		}
	})
	defer quiet.Stop()
	select {
	case <-j.over:
		return j.result, j.err
	case <-p.exited:
		return p.lastWords(j)
	case <-e.closed:
		return Result{}, ErrClosed
	case <-ctx.Done():
		if p.desk.cancel(j, errors.Is(context.Cause(ctx), ErrClosed)) {
			p.settle(j.over, e.cfg.StopGrace)
		}
		select {
		case <-j.over: // in the very moment: the process has been told that it was in time
			if j.err == nil {
				return j.result, nil
			}
		default:
		}
		return Result{}, ctx.Err()
	}
}

// Close tells the process that there is nothing more to do, and ends it when it does not end
// by itself within StopGrace. A Run in progress returns ErrClosed. Close may be called again.
func (e *Exec) Close() error {
	e.once.Do(func() {
		close(e.closed)
		var wg sync.WaitGroup
		for _, s := range e.seats.takeAll() {
			if s.proc != nil {
				wg.Go(func() { s.proc.stop(e.cfg.StopGrace) })
			}
		}
		wg.Wait()
	})
	return nil
}
