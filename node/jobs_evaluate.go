package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/train"
)

// basePrefix stands before the metrics of what an update was trained from.
const basePrefix = "base_"

// evaluated is what the trainer found of a model.
type evaluated struct {
	model   block.CID
	metrics map[string]float64
}

// evaluate has the trainer measure a model of a run, which is whole: that of a round or, of round 0, what the run began
// with. The trainer's token is held.
func (j *jobs) evaluate(ctx context.Context, run block.CID, spec *round.RunSpec, number uint64, model block.CID, report func(train.Progress)) (res train.Result, err error) {
	task, err := j.newTask(run, spec, model, train.Task{Kind: train.Evaluate, Round: number, Attempt: 1})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	res, err = j.n.trainer.Run(ctx, task, report)
	res.Metrics = sendable(j.log, res.Metrics)
	return res, err
}

// measureBase has the trainer measure what is to be trained from, if the site wants that, and returns the metrics as an update
// carries them. That it fails keeps nobody from training. The trainer's token is held.
func (j *jobs) measureBase(ctx context.Context, t *training) map[string]float64 {
	job := t.job
	if !j.n.home.Config.Evaluate {
		return nil
	}
	if j.bases[job.Run].model != job.Base { // else measured for an earlier attempt
		report, stop := j.listen(t)
		_, err := j.makeWhole(ctx, round.Fetch{Run: job.Run, Manifest: job.Base, Layout: job.Spec.Layout})
		var res train.Result
		if err == nil {
			res, err = j.evaluate(ctx, job.Run, job.Spec, job.Round-1, job.Base, report)
		}
		stop()
		if err != nil {
			if ctx.Err() == nil {
				j.log.Warn("the model was not measured; the training begins without", "run", job.Run.Short(), "name", job.Spec.Name, "round", job.Round-1, "error", err)
			}
			return nil
		}
		j.bases[job.Run] = evaluated{job.Base, res.Metrics}
		j.log.Info("measured", "run", job.Run.Short(), "round", job.Round-1, "metrics", res.Metrics)
	}
	return ofBase(j.bases[job.Run].metrics)
}

// ofBase returns the metrics of a base under the names that they have in an update.
func ofBase(metrics map[string]float64) map[string]float64 {
	all := map[string]float64{}
	for name, v := range metrics {
		all[basePrefix+name] = v
	}
	return all
}

// withBase adds the metrics of the base to those of the update, which go first if there is no room for all.
func withBase(own, base map[string]float64) map[string]float64 {
	for _, name := range slices.Sorted(maps.Keys(base)) {
		if _, taken := own[name]; !taken && len(own) < maxMetrics && len(name) <= maxMetricName {
			own[name] = base[name]
		}
	}
	return own
}

func (s *server) evaluate(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var req EvaluateRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.n.Evaluate(r.Context(), run, req.Model)
}

// Evaluate has the site's trainer measure a model of a run once it is free: a committed one, or what the run began with. It
// returns ErrNotFound if the model is not held here.
func (n *Node) Evaluate(ctx context.Context, run, model block.CID) (*Evaluation, error) {
	spec := n.view.Load().runs[run]
	if spec == nil {
		return nil, refuse(http.StatusNotFound, "weft run list shows the runs", "no run %s in this mesh", run)
	}
	number, err := n.roundOf(ctx, run, model)
	if err != nil {
		return nil, err
	}
	defer n.jobs.reads(model)()
	if !n.holds(model) { // what is not kept is not fetched for this, and nobody waits to learn that
		return nil, fmt.Errorf("model %s: %w", model, blockstore.ErrNotFound)
	}
	select {
	case n.jobs.trainer <- struct{}{}:
		defer func() { <-n.jobs.trainer }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := n.jobs.check(ctx, model); err != nil {
		return nil, err
	}
	began := time.Now()
	res, err := n.jobs.evaluate(ctx, run, spec, number, model, nil)
	if err != nil {
		brief, advice := explain(err)
		return nil, refuse(http.StatusInternalServerError, advice, "the trainer fails: %s", brief)
	}
	return &Evaluation{Run: run, Round: number, Model: model, Samples: res.Samples, Metrics: res.Metrics, Took: time.Since(began)}, nil
}

// reads keeps an artifact in the store, if it is there, until done is called.
func (j *jobs) reads(manifest block.CID) (done func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	end := make(chan struct{})
	j.readers[end] = manifest
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.readers, end)
		close(end)
	}
}

// roundOf returns the round of a run that yielded a model, 0 for what the run began with.
func (n *Node) roundOf(ctx context.Context, run, model block.CID) (uint64, error) {
	st, err := n.Status(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range st.Runs {
		if r.ID != run {
			continue
		}
		if r.Spec.Base == model {
			return 0, nil
		}
		for _, h := range r.History {
			if h.Model == model {
				return h.Round, nil
			}
		}
	}
	return 0, refuse(http.StatusNotFound, "weft run history shows its models", "%s is no model of that run", model)
}
