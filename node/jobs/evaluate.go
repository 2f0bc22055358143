package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/update"
)

// evaluated is what the trainer found of a model.
type evaluated struct {
	model   block.CID
	figures ledger.Measured
}

// bases are what was found of the newest base of each run that was measured.
type bases struct {
	mu sync.Mutex
	of map[block.CID]evaluated
}

func (b *bases) newest(run block.CID) evaluated {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of[run]
}

func (b *bases) note(run block.CID, e evaluated) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[run] = e
}

// Evaluation is the task to measure the model of a round, or, of round 0, what the run began with.
func Evaluation(number uint64) train.Task {
	return train.Task{Kind: train.Evaluate, Round: number, Attempt: 1}
}

// ask has the trainer do a task with a model of a run, which is whole, that yields no update. The run has its turn.
func (d *desk) ask(ctx context.Context, run block.CID, spec *ledger.RunSpec, model block.CID, task train.Task, report func(train.Progress)) (res train.Result, err error) {
	if task, err = d.newTask(ctx, run, spec, model, task); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	res, err = d.trainer.Run(ctx, task, report)
	res.Metrics = update.Metrics(d.log, res.Metrics, ledger.MaxMetrics)
	return res, err
}

// askFree is ask once the trainer is free, with a model that is held.
func (d *desk) askFree(ctx context.Context, run block.CID, spec *ledger.RunSpec, model block.CID, task train.Task) (train.Result, time.Duration, error) {
	done, held := d.artifacts.reads(model)
	defer done()
	if !held {
		return train.Result{}, 0, fmt.Errorf("model %s: %w", model, blockstore.ErrNotFound)
	}
	leave, err := d.turns.take(ctx, run, 0)
	if err != nil {
		return train.Result{}, 0, err
	}
	defer leave()
	if err := d.artifacts.check(ctx, model); err != nil {
		return train.Result{}, 0, err
	}
	began := time.Now()
	res, err := d.ask(ctx, run, spec, model, task, nil)
	if err != nil {
		err = &TrainerError{err}
	}
	return res, time.Since(began), err
}

// measureBase has the trainer measure what is to be trained from, if the site and the run want that, and returns what it found.
// That it fails keeps nobody from training. The run has its turn.
func (d *desk) measureBase(ctx context.Context, t *training) (of *ledger.Measured, failed error) {
	job := t.job
	if !d.site.Now().Evaluate || job.Unmeasured {
		return nil, nil
	}
	if known := d.bases.newest(job.Run); known.model == job.Base { // for an earlier attempt
		return &known.figures, nil
	}
	err := d.artifacts.makeWhole(ctx, runs.Fetch{Run: job.Run, Manifest: job.Base, Layout: job.Spec.Layout})
	var res train.Result
	began := time.Now()
	if err == nil {
		t.measures.Store(true)
		defer t.measures.Store(false)
		report, stop := d.listen(t)
		res, err = d.ask(ctx, job.Run, job.Spec, job.Base, Evaluation(job.Round-1), report)
		stop()
	}
	if err != nil {
		if ctx.Err() == nil {
			d.log.Warn("the model was not measured; the training begins without", "run", job.Run.Short(), "name", job.Spec.Name, "round", job.Round-1, "error", err)
		}
		return nil, err
	}
	found := update.Measured(d.log, res, time.Since(began))
	if len(found.Metrics) == 0 {
		return nil, nil
	}
	d.bases.note(job.Run, evaluated{job.Base, found})
	d.log.Info("measured", metricAttrs(found.Metrics, "run", job.Run.Short(), "round", job.Round-1)...)
	return &found, nil
}

// measure has the trainer measure the last model of a run, once it is free, if the site wants that. The mutex is held.
func (j *Jobs) measure(job runs.Measure) {
	j.spawn(func() {
		found := runs.Measured{Run: job.Run, Model: job.Model}
		if j.site.Now().Evaluate {
			found.Figures = j.measureLast(job)
			found.Cross = j.desk.measureUpdates(j.ctx, job)
		}
		j.report(found)
	})
}

// measureLast returns what the trainer finds of the last model of a run, no metrics if that fails.
func (j *Jobs) measureLast(job runs.Measure) ledger.Measured {
	res, took, err := j.Ask(j.ctx, job.Run, job.Spec, job.Model, Evaluation(job.Round))
	if err != nil {
		brief, advice := train.Explain(err)
		j.failed(j.unmeasured, job.Run, &Problem{"the evaluation fails: " + brief, advice})
		j.log.Warn("the last model was not measured", "run", job.Run.Short(), "name", job.Spec.Name, "round", job.Round, "error", brief)
		return ledger.Measured{}
	}
	found := update.Measured(j.log, res, took)
	if len(found.Metrics) > 0 {
		j.log.Info("measured", metricAttrs(found.Metrics, "run", job.Run.Short(), "round", job.Round)...)
	}
	return found
}

// metricAttrs adds metrics to the attributes of a log's line.
func metricAttrs(metrics map[string]float64, attrs ...any) []any {
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		attrs = append(attrs, name, strconv.FormatFloat(metrics[name], 'g', 5, 64))
	}
	return attrs
}
