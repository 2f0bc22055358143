package jobs

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
)

// training is a training under way.
type training struct {
	job    runs.Train
	bell   time.Time // of the run's round time; zero: it has none
	cancel context.CancelFunc
	done   chan struct{}
	heard  atomic.Pointer[heard] // the last of its trainer; nil until that has the task

	queued   atomic.Bool // waits for its turn
	measures atomic.Bool // the base, before it is trained from
	stopped  bool        // by the machine, which hears nothing of its end
}

func newTraining(job runs.Train, cancel context.CancelFunc) *training {
	t := &training{job: job, cancel: cancel, done: make(chan struct{})}
	if job.Left > 0 {
		t.bell = time.Now().Add(job.Left)
	}
	return t
}

// heard is what a trainer has said, and when.
type heard struct {
	train.Progress
	at time.Time
}

// hear notes a word of the trainer.
func (t *training) hear(p train.Progress) { t.heard.Store(&heard{p, time.Now()}) }

// stop ends it; Jobs.mu is held.
func (t *training) stop() {
	t.stopped = true
	t.cancel()
}

// train begins a training, once the one of the same run that it replaces has ended. The mutex is held.
func (j *Jobs) train(job runs.Train) {
	before := j.training[job.Run]
	if before != nil {
		if before.job.Opened == job.Opened && before.job.Attempt == job.Attempt && before.job.Base == job.Base && !before.stopped {
			return
		}
		before.cancel()
	}
	if j.closed {
		return
	}
	ctx, cancel := context.WithCancel(j.ctx)
	t := newTraining(job, cancel)
	j.training[job.Run] = t
	j.spawn(func() {
		defer cancel()
		if before != nil {
			<-before.done
		}
		ev, res := j.doTrain(ctx, t)
		j.mu.Lock()
		if j.training[job.Run] == t {
			delete(j.training, job.Run)
		}
		close(t.done)
		j.mu.Unlock()
		if ev != nil {
			j.hand(ev, res)
		}
	})
}

// hand reports the end of a training, and has its update settled once the machine has noted it.
func (j *Jobs) hand(ev round.Event, res train.Result) {
	if done, trained := ev.(runs.Trained); trained {
		j.mu.Lock()
		j.handed[done.Manifest] = append(j.handed[done.Manifest], res)
		j.mu.Unlock()
	}
	if !j.host.Deliver(j.ctx, ev) {
		res.Settle(train.ErrClosed)
	}
}

// Noted tells that the log has what follows from an update that was handed over.
func (j *Jobs) Noted(manifest block.CID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, res := range j.handed[manifest] {
		res.Settle(nil)
	}
	delete(j.handed, manifest)
}

// stopTrain ends a run's training; the next one waits for its end. The mutex is held.
func (j *Jobs) stopTrain(run block.CID) {
	if t := j.training[run]; t != nil {
		t.stop()
	}
}

// doTrain returns the event that the training ends with, nil if it was stopped, and what the trainer yielded.
func (j *Jobs) doTrain(ctx context.Context, t *training) (ev round.Event, res train.Result) {
	job := t.job
	about := trainingOf(job.Run)
	t.queued.Store(true)
	leave, err := j.desk.turns.take(ctx, job.Run, job.Opened)
	if err != nil {
		return nil, res
	}
	defer leave()
	t.queued.Store(false)
	figures, unmeasured := j.desk.measureBase(ctx, t)
	if unmeasured != nil && ctx.Err() == nil {
		brief, advice := train.Explain(unmeasured)
		j.failed(j.unmeasured, job.Run, &Problem{"the evaluation fails: " + brief, advice})
	} else {
		j.failed(j.unmeasured, job.Run, nil)
	}
	done, res, err := j.desk.train(ctx, t)
	switch {
	case ctx.Err() != nil:
		res.Settle(context.Cause(ctx))
		return nil, res
	case err != nil:
		const again = "it is tried again, at growing intervals; what the trainer wrote is in the log of weft up, its standard error"
		brief, advice := train.Explain(err)
		if advice != "" {
			advice += "; "
		}
		j.log.Warn("training failed; it is tried again", "run", job.Run.Short(), "name", job.Spec.Name, "round", job.Round, "error", brief)
		j.problems.set(about, fmt.Sprintf("training of run %q fails: %s", job.Spec.Name, brief), advice+again)
		j.failed(j.failures, job.Run, &Problem{brief, strings.TrimSuffix(advice, "; ")})
		return runs.TrainFailed{Run: job.Run, Round: job.Round, Opened: job.Opened, Err: clip(err.Error(), 2048)}, res
	}
	j.problems.solved(about)
	j.failed(j.failures, job.Run, nil)
	if res.Skip != "" {
		return runs.Skipped{Run: job.Run, Round: job.Round, Opened: job.Opened, Reason: res.Skip}, res
	}
	done.Figures = figures
	return done, res
}

// failed notes how the last training of a run failed, or the last evaluation, nil that it did not.
func (j *Jobs) failed(last map[block.CID]Problem, run block.CID, how *Problem) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if delete(last, run); how != nil {
		last[run] = *how
	}
}

func clip(s string, n int) string { return s[:min(len(s), n)] }
