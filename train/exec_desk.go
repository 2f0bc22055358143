package train

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/weft-mesh/weft/hint"
)

// desk is where one life of the process picks up its tasks and leaves its updates. It holds
// one job at a time.
type desk struct {
	mu     sync.Mutex
	job    *job
	holder caller // who got the job
	taken  uint64 // the last update that was taken: it may be sent again, as its answer can be lost
	sent   *job   // the last that was sent; whether it is taken may still be open
	closed bool
	ended  chan struct{} // closed with it
	// stopping says that the node ends, and not only the job: closed comes a little later.
	stopping bool
	change   chan struct{} // closed and made anew when the job or closed changes
}

// job is a task on its way through the desk. The desk's mutex guards all but the constants
// and over.
type job struct {
	id     uint64
	task   Task
	report func(Progress)
	due    time.Time // when the process should have ended the training; zero: whenever

	taken     bool // the process has it in hand, or had
	cancelled bool // the node no longer wants it

	over   chan struct{} // closed once the process has put the task down; result and err stand then
	isOver bool
	result Result
	err    error

	settling sync.Once
	settled  chan struct{} // closed once it is said what became of the update; refused stands then
	refused  error
}

func newDesk() *desk { return &desk{change: make(chan struct{}), ended: make(chan struct{})} }

func newJob(id uint64, task Task, due time.Time, report func(Progress)) *job {
	return &job{id: id, task: task, due: due, report: report, over: make(chan struct{}), settled: make(chan struct{})}
}

// settle says what became of the job's update.
func (j *job) settle(err error) {
	j.settling.Do(func() {
		j.refused = err
		close(j.settled)
	})
}

// putDown ends the job on the process' side. The desk's mutex is held.
func (j *job) putDown(res Result, err error) {
	j.isOver, j.result, j.err = true, res, err
	close(j.over)
}

// wake lets every waiting call look again. The mutex is held.
func (d *desk) wake() {
	close(d.change)
	d.change = make(chan struct{})
}

// offer lays j on the desk.
func (d *desk) offer(j *job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.job = j
	d.wake()
}

// withdraw takes j off the desk; its report is not called any more.
func (d *desk) withdraw(j *job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.job == j {
		d.job = nil
	}
}

// cancel makes the job unwanted, and reports whether the process has it in hand; the desk's mutex is held.
func (j *job) cancel() bool {
	j.cancelled = true
	return j.taken && !j.isOver
}

// cancel makes j unwanted, only until the node is back if it is stopping, and reports whether the process has it in hand.
func (d *desk) cancel(j *job, stopping bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = stopping
	return j.cancel()
}

// close ends the conversation: whoever asks for a task is told to stop.
func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		close(d.ended)
	}
	d.closed, d.stopping = true, true
	d.wake()
}

func (d *desk) isTaken(j *job) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return j.taken
}

// take waits for a task and hands it out. It returns nil if none came within wait or ctx ended, and stopped once the desk is closed.
// Asking puts down the task in hand; it is refused to another process while the one that has the task lives.
func (d *desk) take(ctx context.Context, wait time.Duration, c caller) (j *job, stopped bool, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.putBack(c); err != nil {
		return nil, false, err
	}
	for ctx.Err() == nil {
		if d.closed {
			return nil, true, nil
		}
		if j := d.job; j != nil && !j.taken && !j.cancelled {
			j.taken, d.holder = true, c
			return j, false, nil
		}
		if !d.sleep(ctx, timer.C) {
			break
		}
	}
	return nil, false, nil
}

// putBack puts down the task in hand if a caller may do that by asking for another. The mutex is held.
func (d *desk) putBack(c caller) error {
	j := d.job
	inHand := j != nil && j.taken && !j.isOver
	switch {
	case c.imports:
		if inHand {
			j.putDown(Result{}, c.worker()) // who waits for such a worker may wait for ever
		}
		return &refusal{status: notYours, error: c.worker()}
	case inHand && !c.is(d.holder) && d.holder.lives():
		return c.second(d.holder)
	case inHand:
		j.putDown(Result{}, ErrNoUpdate)
	}
	return nil
}

// sleep waits, without the mutex, for a change of the desk; false means that it waited in vain.
func (d *desk) sleep(ctx context.Context, late <-chan time.Time) bool {
	change := d.change
	d.mu.Unlock()
	defer d.mu.Lock()
	select {
	case <-change:
		return true
	case <-late:
	case <-ctx.Done():
	}
	return false
}

// wanted returns the job with that id if the process has it in hand and the node still wants it.
func (d *desk) wanted(id uint64) (*job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inHand(id)
}

func (d *desk) inHand(id uint64) (*job, error) {
	j := d.job
	switch {
	case d.stopping && id != d.taken:
		return nil, stopped(id)
	case j == nil || j.id != id || !j.taken:
		return nil, refuse(taskOver, "ask for the next one", "task %d is not in hand: it was cancelled or answered, or never given out", id)
	case j.cancelled:
		return nil, cancelled(id)
	case j.isOver:
		return nil, refuse(taskOver, "ask for the next one", "task %d has its update already", id)
	}
	return j, nil
}

// progress passes p on to whoever runs the task.
func (d *desk) progress(id uint64, p Progress) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	j, err := d.inHand(id)
	if err != nil {
		return err
	}
	j.report(p) // under the mutex, so that withdraw can promise that it was the last
	return nil
}

// answer puts the task down with its result, and returns it.
func (d *desk) answer(id uint64, res Result) (*job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j, err := d.inHand(id)
	if err != nil {
		return nil, err
	}
	if j.task.Kind == Train && res.Skip == "" {
		res.settle = j.settle
		d.sent = j
	} else { // nothing of it has to be durable
		j.settle(nil)
		d.taken = j.id
	}
	j.putDown(res, nil)
	return j, nil
}

// again awaits the update that came last if it is sent once more; what else is not in hand is refused.
func (d *desk) again(ctx context.Context, id uint64, refused error) error {
	d.mu.Lock()
	j := d.sent
	d.mu.Unlock()
	if j == nil || j.id != id {
		return refused
	}
	return d.await(ctx, j)
}

// settle waits until it is said what became of the last update.
func (d *desk) settle(ctx context.Context) error {
	d.mu.Lock()
	j := d.sent
	d.mu.Unlock()
	if j == nil {
		return nil
	}
	select {
	case <-j.settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await waits until it is said what became of a task's update, and takes it or says why not.
func (d *desk) await(ctx context.Context, j *job) error {
	select {
	case <-j.settled:
	case <-d.ended:
	case <-ctx.Done():
		return ctx.Err() // the process is gone, or asks again
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-j.settled:
	default:
		return stopped(j.id)
	}
	switch err := j.refused; {
	case err == nil:
		d.taken = j.id
		return nil
	case errors.Is(err, ErrClosed):
		return stopped(j.id)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return cancelled(j.id)
	default:
		text, advice := hint.Split(err)
		return refuse(unprocessable, cmp.Or(advice, "correct the script: the task is over, and comes again"), "the update of task %d cannot be used: %s", j.id, text)
	}
}

// stopped refuses what is said of a task while the node ends.
func stopped(id uint64) *refusal {
	r := refuse(taskOver, "save what is done and end: the task is given out again when the node is back", "task %d is put off: the node stops", id)
	r.stopping = true
	return r
}

// cancelled refuses what is said of a task that is no longer wanted.
func cancelled(id uint64) *refusal {
	return refuse(taskOver, "drop it and ask for the next one", "task %d was cancelled: the mesh went on without it", id)
}

// hasTaken reports whether the update of the task with that id is taken.
func (d *desk) hasTaken(id uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return id == d.taken
}
