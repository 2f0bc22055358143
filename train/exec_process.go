package train

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train/proctree"
)

const (
	// socketEnv tells the process where its node listens.
	socketEnv = "WEFT_SOCKET"
	// drainTime is how long output is still read after the process and all it has started ended; only what cannot be ended
	// holds it open longer.
	drainTime = time.Second
)

// process is one life of the user's process: it, all that it starts, its desk and its socket.
type process struct {
	log       *slog.Logger
	cmd       *exec.Cmd
	tree      *proctree.Tree
	left      func([]proctree.Process) // is told what outlives the process for good
	desk      *desk
	counter   *counter
	output    [2]*os.File // our ends of its stdout and stderr
	tail      tail        // of stderr
	throttle  throttle
	task      atomic.Pointer[Task] // the newest, whose the output is
	exited    chan struct{}
	condemned atomic.Bool // SIGKILL was sent: no further task for it
}

// startProcess starts a life. The desk is open before the process can ask for it.
func startProcess(cfg ExecConfig, program string, log *slog.Logger, task Task, left func([]proctree.Process)) (*process, error) {
	p := &process{log: log, desk: newDesk(), left: left, exited: make(chan struct{})}
	p.task.Store(&task)
	var err error
	if p.counter, err = openCounter(p.desk, cfg.RunDir); err != nil {
		return nil, err
	}
	p.cmd = &exec.Cmd{
		Path: program,
		Args: cfg.Command,
		Dir:  cfg.Dir,
		// Without it what a Python script prints would stay in its buffer until it ends.
		Env: slices.Concat([]string{"PYTHONUNBUFFERED=1"}, firstRank(os.Environ()), cfg.Env, []string{socketEnv + "=" + p.counter.socket}),
	}
	started := make(chan error)
	go p.live(started, cfg.NoteDir)
	if err := <-started; err != nil {
		return nil, hint.Add(fmt.Errorf("%w: %w", ErrCommand, err), "is the program built for this machine?")
	}
	log.Info("trainer started", "command", cfg.Command, "pid", p.cmd.Process.Pid)
	return p, nil
}

// live is the process' whole life. It keeps its thread, because the kernel ties the signal
// for orphans (see proctree.Start) to the thread that started the child, not to the node.
func (p *process) live(started chan<- error, notes string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	drained, err := p.start(notes)
	if err != nil {
		p.counter.close()
		started <- err
		return
	}
	started <- nil
	werr := p.tree.Wait()
	// What the process has left behind, such as data loaders or ranks, ends with it. Its own number
	// was free only since Wait; the kernel does not give it out again this soon.
	if left := p.tree.End(killGrace); len(left) > 0 {
		p.log.Error("processes of the trainer outlive SIGKILL; hint: the device's driver may hang", "pids", pids(left))
		p.left(left)
	}
	select {
	case <-drained:
	case <-time.After(drainTime):
	}
	p.closeOutput()
	<-drained
	var exit *exec.ExitError
	if werr != nil && !errors.As(werr, &exit) {
		p.log.Error("wait for trainer", "err", werr)
	}
	p.counter.close()
	p.log.Info("trainer ended", "pid", p.cmd.Process.Pid, "status", p.status())
	close(p.exited)
}

// pids returns the numbers of processes.
func pids(of []proctree.Process) (list []int) {
	for _, p := range of {
		list = append(list, p.PID)
	}
	return list
}

// start starts the command with its output read; drained is closed when both outputs ended.
func (p *process) start(notes string) (drained <-chan struct{}, err error) {
	var theirs [2]*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	for i := range p.output {
		if p.output[i], theirs[i], err = os.Pipe(); err != nil {
			p.closeOutput()
			return nil, err
		}
	}
	// As files, not as writers: Wait would otherwise wait for every heir of the pipe.
	p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1]
	if p.tree, err = proctree.Start(p.cmd, p.cmd.Env[len(p.cmd.Env)-1], notes); err != nil {
		p.closeOutput()
		return nil, err
	}
	var wg sync.WaitGroup
	for i, name := range []string{"stdout", "stderr"} {
		wg.Go(func() {
			eachLine(p.output[i], func(line string) {
				if name == "stderr" {
					p.tail.add(line)
				}
				p.tell(name, line)
			})
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		if n := p.throttle.rest(); n > 0 {
			p.write("stderr", omission(n))
		}
		close(done)
	}()
	return done, nil
}

// tell has a line that the process has written in the log, if there are not too many.
func (p *process) tell(stream, line string) {
	ok, omitted := p.throttle.admit(time.Now(), len(line))
	if omitted > 0 {
		p.write(stream, omission(omitted))
	}
	if ok {
		p.write(stream, line)
	}
}

func (p *process) write(stream, line string) {
	task := p.task.Load()
	p.log.Info(OutputMessage, OutputRun, task.Name, OutputRound, task.Round, "stream", stream, OutputLine, line)
}

// closeOutput also ends readers that still wait.
func (p *process) closeOutput() {
	for _, f := range p.output {
		f.Close() // a nil file only answers with an error
	}
}

// alive reports whether the process may get another task.
func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return !p.condemned.Load()
	}
}

// status says how the ended process ended.
func (p *process) status() string { return p.cmd.ProcessState.String() }

// lastWords is the outcome of j when the process has ended.
func (p *process) lastWords(j *job) (Result, error) {
	select {
	case <-j.over: // it answered, then ended
		return j.result, j.err
	default:
	}
	return Result{}, &ExitError{
		Command: strings.Join(p.cmd.Args, " "),
		Status:  p.status(),
		Code:    p.cmd.ProcessState.ExitCode(),
		Asked:   p.desk.isTaken(j),
		Stderr:  p.tail.lines(),
	}
}

// stop tells the process that there is nothing more to do, and ends it if it does not end by itself within grace.
func (p *process) stop(grace time.Duration) {
	p.desk.close()
	p.settle(nil, grace)
}

// settle waits until done is closed or the process has ended; past a grace it ends the process by SIGTERM, and all that it has
// started by SIGKILL.
func (p *process) settle(done <-chan struct{}, grace time.Duration) {
	quiet, grace := patience(p.tree.Launches(), grace)
	if p.await(done, quiet) {
		return
	}
	p.condemned.Store(true)
	p.log.Warn("trainer does not stop: sending a signal", "pid", p.cmd.Process.Pid, "signal", syscall.SIGTERM.String())
	p.tree.Signal(syscall.SIGTERM)
	if p.await(nil, grace) {
		return
	}
	p.log.Warn("trainer does not stop: sending a signal", "pid", p.cmd.Process.Pid, "signal", syscall.SIGKILL.String())
	p.tree.Signal(syscall.SIGKILL) // and to the rest once this one has ended
	if !p.await(nil, 2*killGrace) {
		// Only a call that the kernel cannot interrupt, such as a driver's, outlasts SIGKILL.
		p.log.Error("trainer outlived SIGKILL; hint: the device's driver may hang", "pid", p.cmd.Process.Pid)
		p.left(p.tree.End(0))
	}
}

// patience returns how long a process may go on before SIGTERM, and after it, 0 of which is what is usual. A launcher is given longer:
// it looks after its ranks only every few seconds, and has them end before it does.
func patience(launches bool, grace time.Duration) (quiet, after time.Duration) {
	quiet, after = quietGrace, defaultStopGrace
	if launches {
		quiet, after = launcherQuiet, launcherGrace
	}
	if grace > 0 {
		quiet, after = min(grace, quiet), grace
	}
	return quiet, after
}

func (p *process) await(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}
