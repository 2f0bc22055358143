package jobs

import (
	"context"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train"
)

// What the operator asks, and what is said of jobs.

// Training is where the training of a run stands.
type Training struct {
	Round    uint64
	Measures bool           // its base, before it begins
	Queued   bool           // the trainer works for other runs
	Heard    time.Time      // when the trainer said so; zero until it has the task
	Last     train.Progress // what it said
	Process  int            // ID of its process; 0 if it is none, or has no task
	Waits    string         // what keeps the trainer from having the task, such as a process that is to come; empty: nothing
}

// Failure returns how the last training of a run failed, or else the last evaluation; nil if neither did.
func (j *Jobs) Failure(run block.CID) *Problem {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, last := range []map[block.CID]Problem{j.failures, j.unmeasured} {
		if p, failed := last[run]; failed {
			return &p
		}
	}
	return nil
}

// Standing returns a run's training, nil if there is none, and whether the answer on the run is still to come.
func (j *Jobs) Standing(run block.CID) (t *Training, open bool) {
	open = j.answers.open(run)
	j.mu.Lock()
	defer j.mu.Unlock()
	if now := j.training[run]; now != nil {
		t = &Training{Round: now.job.Round, Measures: now.measures.Load(), Queued: now.queued.Load()}
		if last := now.heard.Load(); last != nil {
			t.Heard, t.Last, t.Process = last.at, last.Progress, j.desk.process(run)
		}
		if t.Queued || !t.Heard.IsZero() { // whose turn it is says nothing while no process is there
			t.Waits = j.desk.waiting()
		}
	}
	return t, open
}

// Appraisal returns what this site makes of a run that is asked for, or was opened by others.
func (j *Jobs) Appraisal(run block.CID) Appraisal { return j.appraisals.of(run) }

// Answered notes that the operator has answered on a run.
func (j *Jobs) Answered(run block.CID) { j.answers.given(run) }

// Problem returns what goes wrong at the moment, if anything.
func (j *Jobs) Problem() Problem {
	if p := j.problems.first(); p.Text != "" {
		return p
	}
	return j.desk.left()
}

// Holds reports whether an artifact is in the store, complete.
func (j *Jobs) Holds(manifest block.CID) bool { return j.artifacts.holds(manifest) }

// Check verifies an artifact. One that went bad is told of, and fetched again.
func (j *Jobs) Check(ctx context.Context, manifest block.CID) error {
	return j.artifacts.check(ctx, manifest)
}

// Intake returns what keeps content that is taken in until it has got its use. Its owner ends it.
func (j *Jobs) Intake() *Intake { return &Intake{artifacts: j.artifacts} }

// Ask has the trainer do a task of kind Evaluate or Generate with a model of a run, once it is free. It returns ErrNotFound if
// the model is not held here: what is not kept is not fetched for this.
func (j *Jobs) Ask(ctx context.Context, run block.CID, spec *ledger.RunSpec, model block.CID, task train.Task) (train.Result, time.Duration, error) {
	return j.desk.askFree(ctx, run, spec, model, task)
}

// TrainerError is an error of the site's trainer.
type TrainerError struct{ error }

func (e *TrainerError) Unwrap() error { return e.error }
