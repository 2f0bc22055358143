package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// training is a training under way.
type training struct {
	job    runs.Train
	cancel context.CancelFunc
	done   chan struct{}
	heard  atomic.Pointer[heard] // the last of its trainer; nil until that has the task

	measures atomic.Bool // the base, before it is trained from
	stopped  bool        // by the machine, which hears nothing of its end
}

// heard is what a trainer has said, and when.
type heard struct {
	train.Progress
	at time.Time
}

// hear notes a word of the trainer.
func (t *training) hear(p train.Progress) { t.heard.Store(&heard{p, time.Now()}) }

// train begins a training, once the one of the same run that it replaces has ended. The mutex is held.
func (j *jobs) train(job runs.Train) {
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
	t := &training{job: job, cancel: cancel, done: make(chan struct{})}
	j.training[job.Run] = t
	j.spawn(func() {
		defer cancel()
		if before != nil {
			<-before.done
		}
		ev := j.doTrain(ctx, t)
		j.mu.Lock()
		if j.training[job.Run] == t {
			delete(j.training, job.Run)
		}
		close(t.done)
		j.mu.Unlock()
		if ev != nil {
			j.report(ev)
		}
	})
}

// stopTrain ends a run's training; the next one waits for its end. The mutex is held.
func (j *jobs) stopTrain(run block.CID) {
	if t := j.training[run]; t != nil {
		t.stopped = true
		t.cancel()
	}
}

// doTrain returns the event that the training ends with, nil if it was stopped.
func (j *jobs) doTrain(ctx context.Context, t *training) round.Event {
	job := t.job
	about := trainingOf(job.Run)
	select {
	case j.trainer <- struct{}{}:
		defer func() { <-j.trainer }()
	case <-ctx.Done():
		return nil
	}
	base := j.measureBase(ctx, t)
	done, err := j.tryTrain(ctx, t)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		const again = "it is tried again, at growing intervals; what the trainer wrote is in the log of weft up, its standard error"
		brief, advice := explain(err)
		if advice != "" {
			advice += "; "
		}
		j.log.Warn("training failed; it is tried again", "run", job.Run.Short(), "name", job.Spec.Name, "round", job.Round, "error", brief)
		j.setProblem(about, fmt.Sprintf("training of run %q fails: %s", job.Spec.Name, brief), advice+again)
		return runs.TrainFailed{Run: job.Run, Round: job.Round, Opened: job.Opened, Err: clip(err.Error(), 2048)}
	}
	j.setProblem(about, "", "")
	done.Metrics = withBase(done.Metrics, base)
	return done
}

// trainingOf is what problems of a run's trainings are about.
func trainingOf(run block.CID) string { return "train " + run.String() }

// tryTrain has the trainer do the task and takes over what it made.
func (j *jobs) tryTrain(ctx context.Context, t *training) (done runs.Trained, err error) {
	job := t.job
	from := runs.Fetch{Run: job.Run, Manifest: job.Base, Layout: job.Spec.Layout}
	if job.From.Defined() { // a further attempt trains on from the site's own last one
		from.Manifest, from.Owner = job.From, j.n.home.ID
	}
	elements, err := j.makeWhole(ctx, from)
	if err != nil {
		return done, err
	}
	task, err := j.newTask(job.Run, job.Spec, from.Manifest, train.Task{Kind: train.Train, Round: job.Round, Attempt: job.Attempt, Seed: j.seed(job)})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	report, stop := j.listen(t)
	res, err := j.n.trainer.Run(ctx, task, report)
	stop()
	if err != nil {
		return done, err
	}
	c, err := takeUpdate(ctx, j.n.store, res, job.Spec.Layout, elements)
	if err != nil {
		return done, err
	}
	m, err := readManifest(j.n.store, c)
	if err != nil {
		return done, err
	}
	j.keep.Lock()
	defer j.keep.Unlock()
	if !j.n.holds(c) { // an earlier update of these very bytes was removed just now
		return done, fmt.Errorf("update %s: %w", c, blockstore.ErrNotFound)
	}
	if !j.n.index.add(ctx, c, m.Shards, use{Run: job.Run, As: asUpdate, Round: j.n.view.Load().rounds[job.Run]}) {
		return done, ctx.Err()
	}
	return runs.Trained{
		Run: job.Run, Round: job.Round, Opened: job.Opened, Attempt: job.Attempt,
		Manifest: c, Samples: min(res.Samples, maxSamples), Metrics: sendable(j.log, res.Metrics),
	}, nil
}

// listen begins to keep the last word of a training's trainer, until stop. It warns once if none comes for long.
func (j *jobs) listen(t *training) (report func(train.Progress), stop func()) {
	t.hear(train.Progress{})
	silence := time.AfterFunc(trainerSilence, sync.OnceFunc(func() {
		attrs := []any{"run", t.job.Run.Short(), "name", t.job.Spec.Name, "round", t.job.Round, "for", trainerSilence}
		if pid := j.n.trainerProcess(); pid != 0 {
			attrs = append(attrs, "pid", pid, "hint", "if it hangs, end that process: it is started again")
		}
		j.log.Warn("nothing is heard of the trainer", attrs...)
	}))
	report = func(p train.Progress) {
		t.hear(p)
		silence.Reset(trainerSilence)
	}
	return report, func() { silence.Stop() }
}

// takeUpdate checks what a trainer made of a task, and takes it over from its folder. The store holds the layout.
func takeUpdate(ctx context.Context, store *blockstore.Disk, res train.Result, layout block.CID, shard uint64) (block.CID, error) {
	if res.Samples == 0 {
		return block.CID{}, errors.New("the trainer says that it saw no samples: they are the update's weight")
	}
	c, err := store.Import(ctx, res.Update, blockstore.ImportOptions{Layout: layout, ShardElements: shard, Finite: true})
	switch {
	case errors.Is(err, blockstore.ErrLayout):
		return c, hint(err, "an update has the tensors of its base: their names, shapes and dtypes")
	case errors.Is(err, tensor.ErrNotFinite):
		return c, hint(err, "training has diverged: a smaller learning rate, or clipped gradients, may help")
	case errors.Is(err, tensor.ErrSafetensors), errors.Is(err, tensor.ErrInvalid):
		return c, hint(err, "an update is a safetensors file, as docs/trainers.md has it under The files")
	}
	return c, err
}

// makeWhole makes sure that an artifact is on this site's disk, good in full, and returns the elements of its shards.
func (j *jobs) makeWhole(ctx context.Context, f runs.Fetch) (elements uint64, err error) {
	r, err := j.openWhole(ctx, f)
	if err != nil {
		return 0, err
	}
	return r.artifact.Manifest.ShardElements, r.artifact.Close()
}

// newTask completes a task: its base, which is whole, its folder, which the caller removes, and what its run says.
func (j *jobs) newTask(run block.CID, spec *ledger.RunSpec, base block.CID, task train.Task) (_ train.Task, err error) {
	if task.Base, err = j.n.store.Path(base); err != nil {
		return task, err
	}
	task.Dir, err = os.MkdirTemp(j.n.home.path(tmpName), fmt.Sprintf("task-%s-%d-", run.Short(), task.Round))
	if err != nil {
		return task, fmt.Errorf("folder of the task: %w", err)
	}
	task.Run, task.Name, task.Rounds, task.Config = run.String(), spec.Name, spec.Rounds, j.n.home.Config.overlay(spec.Train)
	return task, nil
}

// seed differs by site, run, round, opening and attempt, and is the same when a task is done again. It
// has 53 bits, so that any JSON reader takes it for what it is.
func (j *jobs) seed(job runs.Train) uint64 {
	b := append([]byte(j.n.home.ID), job.Run.Bytes()...)
	return seedOf(b, job.Round, job.Opened, job.Attempt)
}

func seedOf(b []byte, numbers ...uint64) uint64 {
	for _, v := range numbers {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	d := block.Sum(block.Raw, b).Digest()
	return binary.BigEndian.Uint64(d[:]) >> 11
}

// sendable returns those of a trainer's metrics that an update can carry.
func sendable(log *slog.Logger, all map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		if len(out) == maxMetrics || len(name) == 0 || len(name) > maxMetricName || math.IsNaN(v) || math.IsInf(v, 0) {
			log.Warn("a metric is not sent: only finite numbers with short names are, and not too many", "name", clip(name, maxMetricName), "value", v)
			continue
		}
		out[name] = v
	}
	return out
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// clearTasks makes the folder of tasks, empty: what is in it was left by a crash.
func (n *Node) clearTasks() error {
	dir := n.home.path(tmpName)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return fmt.Errorf("clear %s: %w", filepath.Base(dir), err)
	}
	return nil
}
