package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/steps"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/update"
)

// desk is where the site's trainer works. Only the run whose turn it is gives it a task.
type desk struct {
	self      peer.ID
	site      *config.Live
	dir       string // for folders of tasks
	trainer   train.Trainer
	artifacts *artifacts
	states    *states
	steps     *steps.Log
	log       *slog.Logger

	turns *turns
	bases bases
}

func newDesk(c Config, a *artifacts, s *states) *desk {
	return &desk{
		self: c.Self, site: c.Site, dir: c.TaskDir, trainer: c.Trainer, artifacts: a, states: s, steps: c.Steps, log: c.Log,
		turns: newTurns(processes(c.Trainer)), bases: bases{of: map[block.CID]evaluated{}},
	}
}

// processes returns for how many runs a trainer works at a time.
func processes(t train.Trainer) int {
	if t, ok := t.(interface{ Processes() int }); ok {
		return t.Processes()
	}
	return 1
}

// process returns the ID of the trainer's process for a run, 0 if none runs.
func (d *desk) process(run block.CID) int {
	if t, ok := d.trainer.(interface{ Process(run string) int }); ok {
		return t.Process(run.String())
	}
	return 0
}

// over tells the trainer that a run is over: what works for it is not kept.
func (d *desk) over(run block.CID) {
	if t, ok := d.trainer.(interface{ Over(run string) }); ok {
		t.Over(run.String())
	}
}

// left says which processes the trainer could not end.
func (d *desk) left() (p Problem) {
	t, ok := d.trainer.(interface{ Left() []int })
	if !ok {
		return p
	}
	if pids := t.Left(); len(pids) > 0 {
		p.Text = fmt.Sprintf("processes of the trainer are left that cannot be ended: %v", pids)
		p.Hint = "the device's driver may hang: what they hold, such as a GPU's memory, may be missing until they end or the machine is restarted"
	}
	return p
}

// waiting says what a task waits for before the trainer can have it, such as a process that is to come; nothing if it does not.
func (d *desk) waiting() string {
	if t, ok := d.trainer.(interface{ Waiting() string }); ok {
		return t.Waiting()
	}
	return ""
}

// listen begins to keep the last word of a training's trainer, until stop. It warns once if none comes for long.
func (d *desk) listen(t *training) (report func(train.Progress), stop func()) {
	t.hear(train.Progress{})
	silence := time.AfterFunc(trainerSilence, sync.OnceFunc(func() {
		attrs := []any{"run", t.job.Run.Short(), "name", t.job.Spec.Name, "round", t.job.Round, "for", trainerSilence}
		if pid := d.process(t.job.Run); pid != 0 {
			attrs = append(attrs, "pid", pid, "hint", "if it hangs, end that process: it is started again")
		}
		d.log.Warn("nothing is heard of the trainer", attrs...)
	}))
	report = func(p train.Progress) {
		t.hear(p)
		silence.Reset(trainerSilence)
	}
	return report, func() { silence.Stop() }
}

// newTask completes a task: its base, which is whole, the run's constants, its folder, which the caller removes, and what its
// run says.
func (d *desk) newTask(ctx context.Context, run block.CID, spec *ledger.RunSpec, base block.CID, task train.Task) (_ train.Task, err error) {
	if task.Base, err = d.artifacts.store.Path(base); err != nil {
		return task, err
	}
	if err = d.constants(ctx, run, spec, &task); err != nil {
		return task, err
	}
	if task.Over = slices.Contains(d.artifacts.host.Seen().Over(), run); task.Over {
		task.StateDir = d.states.left(run)
	} else if task.StateDir, err = d.states.folder(run); err != nil {
		return task, err
	}
	task.Dir, err = os.MkdirTemp(d.dir, fmt.Sprintf("task-%s-%d-", run.Short(), task.Round))
	if err != nil {
		return task, fmt.Errorf("folder of the task: %w", err)
	}
	task.Run, task.Name, task.Site, task.Rounds, task.Config = run.String(), spec.Name, d.site.Now().Name, spec.Rounds, d.site.Now().Overlay(spec.Train)
	return task, nil
}

// constants completes a task by what its model has beside the weights: the file, which is whole, and what it says of names.
func (d *desk) constants(ctx context.Context, run block.CID, spec *ledger.RunSpec, task *train.Task) error {
	beside, err := spec.Constants.Read()
	task.Aliases, task.Adapter, task.Frozen = beside.Aliases, beside.Adapter, beside.Frozen
	if err != nil || !beside.Tensors.Defined() {
		return err
	}
	if err := d.artifacts.makeWhole(ctx, runs.Fetch{Run: run, Manifest: beside.Tensors}); err != nil {
		return err
	}
	a, err := d.artifacts.store.Open(beside.Tensors)
	if err != nil {
		return err
	}
	task.Local = tensor.Patterns(beside.Local).Names(a.Layout)
	if err := a.Close(); err != nil {
		return err
	}
	task.Constants, err = d.artifacts.store.Path(beside.Tensors)
	return err
}

// seed differs by site, run, round, opening and attempt, and is the same when a task is done again.
func (d *desk) seed(job runs.Train) uint64 {
	b := append([]byte(d.self), job.Run.Bytes()...)
	return update.Seed(b, job.Round, job.Opened, job.Attempt)
}

// train has the trainer do the task and takes over what it made, if it gives anything, which the caller settles unless there is an error.
func (d *desk) train(ctx context.Context, t *training) (done runs.Trained, res train.Result, err error) {
	job := t.job
	from := runs.Fetch{Run: job.Run, Manifest: job.Base, Layout: job.Spec.Layout}
	if job.From.Defined() { // a further attempt trains on from the site's own last one
		from.Manifest, from.Owner = job.From, d.self
	}
	if err = d.artifacts.makeWhole(ctx, from); err != nil {
		return done, res, err
	}
	task := train.Task{Kind: train.Train, Round: job.Round, Attempt: job.Attempt, Seed: d.seed(job), Bell: t.bell}
	if job.Round > 1 {
		sealed := d.artifacts.host.Seen().Counted(job.Run) == job.Round-1
		task.Sealed = &sealed
	}
	task, err = d.newTask(ctx, job.Run, job.Spec, from.Manifest, task)
	if err != nil {
		return done, res, err
	}
	defer func() {
		if err = errors.Join(err, os.RemoveAll(task.Dir)); err != nil {
			res.Settle(err)
		}
	}()
	report, stop := d.listen(t)
	note, end := d.steps.Begin(job.Run, job.Round, job.Attempt)
	var steps uint64 // that the trainer has said last: those that the update states
	res, err = d.trainer.Run(ctx, task, func(p train.Progress) { steps = p.Step; report(p); note(p) })
	end()
	stop()
	if err != nil || res.Skip != "" {
		return done, res, err
	}
	done, err = d.take(ctx, job, res)
	done.Steps = min(steps, ledger.MaxSteps)
	return done, res, err
}

// take takes over an update.
func (d *desk) take(ctx context.Context, job runs.Train, res train.Result) (done runs.Trained, err error) {
	intake := &Intake{artifacts: d.artifacts}
	intake.Begin()
	defer intake.End()
	taken, err := update.Training{Spec: job.Spec, Base: job.Base, Bounded: job.Bounded, Result: res}.Take(ctx, d.artifacts.store)
	c := taken.Manifest
	if err != nil {
		return done, errors.Join(err, d.artifacts.abandon(c))
	}
	m, err := blockstore.ReadManifest(d.artifacts.store, c)
	if err != nil {
		return done, err
	}
	use := index.Use{Run: job.Run, As: index.AsUpdate, Round: d.artifacts.host.Seen().Round(job.Run)}
	switch held, added := intake.Claim(ctx, c, m.Shards, use); {
	case !held: // it went bad in the very moment
		return done, fmt.Errorf("update %s: %w", c, blockstore.ErrNotFound)
	case !added:
		return done, ctx.Err()
	}
	return runs.Trained{
		Run: job.Run, Round: job.Round, Opened: job.Opened, Attempt: job.Attempt,
		Manifest: c, Samples: min(res.Samples, ledger.MaxSamples), Metrics: update.Metrics(d.log, res.Metrics, ledger.MaxMetrics), Norm: taken.Norm, Lent: d.site.Now().Cross.Measured,
	}, nil
}
