package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-mesh/weft/hint"
)

// AttachSocket is where a process comes to train, in the site's directory.
const AttachSocket = "trainer.sock"

// Attach is the trainer that is a process which somebody else has started: a notebook, a scheduler's job. It comes to a socket, and
// works as an [Exec]'s does from then on. The connection by which it came stays open for as long as it lives, so that
// its death shows, whatever it dies of; the task that it had is then for the next that comes. There is one at a time. Nobody
// ends it: a task that is cancelled it puts down when it hears of that.
type Attach struct {
	path   string
	runDir string
	log    *slog.Logger
	server *http.Server
	lastID atomic.Uint64
	turn   chan struct{} // a token for who has a task

	once    sync.Once
	closed  chan struct{}
	leaving sync.WaitGroup // of who is here when it is closed

	mu     sync.Mutex
	here   *visitor // nil: nobody
	job    *job     // for whoever is here; nil: none
	since  time.Time
	change chan struct{} // closed and made anew when here changes
}

// visitor is a process that has come.
type visitor struct {
	pid     int // as it says; 0 if it does not
	desk    *desk
	counter *counter
	gone    chan struct{} // closed once it is
}

var _ Trainer = (*Attach)(nil)

// slowVisitor is when somebody who is here counts as not asking for the task.
const slowVisitor = 10 * time.Second

// NewAttach listens at a path, whose folder nobody else uses. The sockets of those who come are below runDir.
func NewAttach(path, runDir string, log *slog.Logger) (*Attach, error) {
	if len(path) > maxSocketPath {
		return nil, hint.Add(fmt.Errorf("trainer's socket: %s has %d bytes, at most %d", path, len(path), maxSocketPath), "move the site's directory to a shorter path, such as ~/.weft")
	}
	if other, err := net.Dial("unix", path); err == nil {
		other.Close()
		return nil, hint.Add(fmt.Errorf("trainer's socket: somebody listens at %s", path), "does the site's node run? A script that is attached to it is tried there")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a node that was killed
		return nil, fmt.Errorf("trainer's socket: %w", err)
	}
	l, err := listen(path)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Attach{path: path, runDir: runDir, log: log, turn: make(chan struct{}, 1), closed: make(chan struct{}), change: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/attach", a.serveAttach)
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTime, MaxHeaderBytes: maxHeaderBytes}
	go func() { _ = a.server.Serve(l) }() // until Close, which is its error
	return a, nil
}

// attachMessage is the reply to who has come.
type attachMessage struct {
	Socket string `json:"socket"` // where the calls of docs/trainers.md are for it
}

// serveAttach lets a process be the trainer for as long as it holds the connection.
func (a *Attach) serveAttach(w http.ResponseWriter, r *http.Request) {
	pid, _ := strconv.Atoi(r.URL.Query().Get("pid")) // it is for people
	v, err := a.enter(pid)
	if err != nil {
		reply(w, nil, err)
		return
	}
	defer a.leaving.Done()
	defer a.leave(v)
	reply(w, attachMessage{v.counter.socket}, nil)
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	select {
	case <-r.Context().Done():
		return
	case <-a.closed:
	}
	v.desk.close()
	select {
	case <-r.Context().Done():
	case <-time.After(quietGrace): // it may train on: nobody waits for what comes of it
	}
}

// enter makes room for a process, unless somebody is here.
func (a *Attach) enter(pid int) (*visitor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.closed:
		return nil, refuse(taskOver, "come again when it is back", "the node stops")
	default:
	}
	if a.here != nil {
		return nil, refuse(taskOver, "end it first; of several ranks the first alone comes; if it is a worker, "+guard, "another process (%d) is attached to this node", a.here.pid)
	}
	v := &visitor{pid: pid, desk: newDesk(), gone: make(chan struct{})}
	var err error
	if v.counter, err = openCounter(v.desk, a.runDir); err != nil {
		return nil, err
	}
	a.leaving.Add(1)
	a.here = v
	a.wake()
	a.log.Info("a process is attached to train", "pid", pid)
	return v, nil
}

// leave notes that a process is gone.
func (a *Attach) leave(v *visitor) {
	v.counter.close()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.here = nil
	close(v.gone)
	a.wake()
	a.log.Info("the attached process is gone", "pid", v.pid)
}

// wake lets who waits for a process look again; the mutex is held.
func (a *Attach) wake() {
	close(a.change)
	a.change = make(chan struct{})
}

// Run gives the task to the process that is here, or to the next that comes, until one has answered it.
func (a *Attach) Run(ctx context.Context, task Task, report func(Progress)) (Result, error) {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	defer func() { <-a.turn }()
	task, err := absolute(task)
	if err != nil {
		return Result{}, err
	}
	if report == nil {
		report = func(Progress) {}
	}
	defer a.hold(nil)
	for {
		j := newJob(a.lastID.Add(1), task, time.Time{}, report)
		a.hold(j)
		v, err := a.await(ctx)
		if err != nil {
			return Result{}, err
		}
		res, err := a.do(ctx, v, j)
		if !errors.Is(err, errGone) {
			return res, err
		}
		a.log.Warn("the attached process is gone with a task in hand, which is for the next that comes", "pid", v.pid, "run", task.Name, "round", task.Round)
	}
}

// hold notes the task that is to be done.
func (a *Attach) hold(j *job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.job, a.since = j, time.Now()
}

// await returns the process that is here, once one is.
func (a *Attach) await(ctx context.Context) (*visitor, error) {
	for {
		a.mu.Lock()
		v, change := a.here, a.change
		a.mu.Unlock()
		if v != nil {
			return v, nil
		}
		select {
		case <-change:
		case <-a.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// errGone is the end of a process that had not answered.
var errGone = errors.New("the attached process is gone")

// do offers a task to a process, and waits until it is over, here or there.
func (a *Attach) do(ctx context.Context, v *visitor, j *job) (res Result, err error) {
	defer func() {
		if err != nil {
			j.settle(err) // it may have been sent in the very moment
		}
	}()
	v.desk.offer(j)
	defer v.desk.withdraw(j)
	select {
	case <-j.over:
		return j.result, j.err
	case <-v.gone:
		select {
		case <-j.over: // it answered, and went
			return j.result, j.err
		default:
			return Result{}, errGone
		}
	case <-a.closed:
		return Result{}, ErrClosed
	case <-ctx.Done():
		if v.desk.cancel(j, errors.Is(context.Cause(ctx), ErrClosed)) {
			select { // it hears of that at its next word
			case <-j.over:
			case <-v.gone:
			case <-time.After(quietGrace):
			}
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

// Waiting says for people what a task waits for, if that is a process.
func (a *Attach) Waiting() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.job == nil:
		return ""
	case a.here == nil:
		return fmt.Sprintf("no process is attached to train: start the script, which says weft.init(node=%q)", filepath.Dir(a.path))
	case time.Since(a.since) > slowVisitor && !a.here.desk.isTaken(a.job):
		return fmt.Sprintf("the attached process (%d) has not asked for its task: does its loop over weft.tasks run?", a.here.pid)
	}
	return ""
}

// Process returns the ID of the process that is here, 0 while none is.
func (a *Attach) Process(string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.here == nil {
		return 0
	}
	return a.here.pid
}

// Close tells the process that there is nothing more to do, and lets nobody come any more. It may be called again.
func (a *Attach) Close() error {
	a.once.Do(func() {
		a.mu.Lock()
		close(a.closed)
		a.mu.Unlock()
		a.leaving.Wait()
		a.server.Close()
		os.Remove(a.path)
	})
	return nil
}
