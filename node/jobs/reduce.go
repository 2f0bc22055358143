package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
)

// reducing is a reduction under way.
type reducing struct {
	job    runs.Reduce
	wanted context.Context // ends when the run has gone on without it
	cancel context.CancelFunc
	done   chan struct{}
}

func newReducing(ctx context.Context, job runs.Reduce) *reducing {
	r := &reducing{job: job, done: make(chan struct{})}
	r.wanted, r.cancel = context.WithCancel(ctx)
	return r
}

// reduce computes the new model of a seal, unless that is under way or the run has gone on already: seal and
// commit may come at once, and then the updates are gone. The mutex is held.
func (j *Jobs) reduce(l *ledger.Ledger, job runs.Reduce) {
	if j.reducing[job.Seal] != nil || j.closed || j.host.Seen().Seal(job.Run) != job.Seal {
		return
	}
	r := newReducing(j.ctx, job)
	j.reducing[job.Seal] = r
	spec := l.Run(job.Run).Spec
	j.spawn(func() {
		defer r.cancel()
		done, err := j.aggregate(r, spec)
		j.mu.Lock()
		delete(j.reducing, job.Seal)
		close(r.done)
		j.mu.Unlock()
		if err == nil {
			j.report(done)
		}
	})
}

// GoneOn takes note of where the machine stands: why trainings of runs that are over have failed is forgotten, and
// reductions of seals that are no longer a run's latest need not be tried again. One that computes already goes on: what
// comes out is what would else have to be fetched.
func (j *Jobs) GoneOn(seen Seen) {
	j.mu.Lock()
	for seal, r := range j.reducing {
		if seen.Seal(r.job.Run) != seal {
			r.cancel()
		}
	}
	for _, run := range seen.Over() {
		delete(j.failures, run)
		delete(j.unmeasured, run)
	}
	j.mu.Unlock()
	j.problems.over(seen)
}

// underway returns a channel that is closed when a reduction of the run has ended, nil if there is none.
func (j *Jobs) underway(run block.CID) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.reducing {
		if r.job.Run == run {
			return r.done
		}
	}
	return nil
}

// aggregate tries until the model is durable or an input found bad, or the run has gone on.
func (j *Jobs) aggregate(r *reducing, spec *ledger.RunSpec) (done runs.Reduced, err error) {
	about := "reduce " + r.job.Seal.String()
	defer j.problems.solved(about)
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		done, err = j.tryReduce(r, spec)
		if err == nil || r.wanted.Err() != nil {
			return done, err
		}
		if errors.Is(err, aggregate.ErrOverflow) { // it would be so again, here and at every site
			j.log.Error("the round has no model", "run", r.job.Run.Short(), "name", spec.Name, "round", r.job.Round, "error", err)
			j.problems.set(about, fmt.Sprintf("round %d has no model: %v", r.job.Round, err), "stop the run, and open another that takes smaller steps")
			<-r.wanted.Done()
			return done, r.wanted.Err()
		}
		j.log.Warn("the new model is not computed yet", "run", r.job.Run.Short(), "name", spec.Name, "round", r.job.Round, "error", err)
		j.problems.set(about, fmt.Sprintf("the new model of round %d cannot be computed: %v", r.job.Round, err), "it is tried again; if the disk is full, free some space")
		select {
		case <-time.After(wait):
		case <-r.wanted.Done():
			return done, r.wanted.Err()
		}
	}
}

// tryReduce reads the sealed updates shard by shard and writes the model; a shard that went bad on
// this disk is fetched again, so the error then is only of the moment.
func (j *Jobs) tryReduce(r *reducing, spec *ledger.RunSpec) (runs.Reduced, error) {
	job := r.job
	done := runs.Reduced{Seal: job.Seal}
	strategy, _, err := j.knows(spec)
	if err != nil {
		return done, err // a run that this program does not know is declined, and comes not here
	}
	in, err := reduction.Open(
		reduction.Round{Strategy: strategy, Number: job.Round, Base: job.Base, State: job.State, Sealed: job.Inputs},
		&inputs{r.wanted, j.artifacts, job, spec.Layout},
	)
	if err != nil {
		return done, err
	}
	defer in.Close()
	out, err := reduction.NewOutput(j.artifacts.store, in.Like, strategy.Slots())
	if err != nil {
		return done, err
	}
	res, err := aggregate.Reduce(j.ctx, in.Job, j.spoilt(out.Sink()))
	if done.Bad = in.Bad(err); done.Bad != nil {
		return done, out.Abort()
	}
	if err != nil {
		return done, errors.Join(err, out.Abort())
	}
	j.tell(job, spec, res.Verdicts)
	made, err := j.keepOutput(job, out)
	if err != nil {
		return done, errors.Join(err, out.Abort())
	}
	done.Model, done.State = made.Model.Manifest, made.State
	return done, j.ctx.Err()
}

// keepOutput makes the output of a reduction durable, as drafts.
func (j *Jobs) keepOutput(job runs.Reduce, out *reduction.Output) (reduction.Made, error) {
	a := j.artifacts
	a.keep.Lock()
	defer a.keep.Unlock()
	made, err := out.Commit()
	if err != nil {
		return made, err
	}
	add := func(m reduction.Artifact, of block.CID) {
		a.index.Add(j.ctx, m.Manifest, m.Shards, index.Use{Run: job.Run, As: index.AsDraft, Round: job.Round, Of: of})
		a.blocks.Added(append(m.Shards, m.Manifest)...)
	}
	for _, slot := range made.Slots {
		add(slot, made.State)
	}
	add(made.Model, block.CID{})
	return made, nil
}

// spoilt returns a sink whose model is spoilt on the way, in tests.
func (j *Jobs) spoilt(to aggregate.Sink) aggregate.Sink {
	if write := to.Model; j.spoil != nil {
		to.Model = func(i int, data []byte) error {
			j.spoil(i, data)
			return write(i, data)
		}
	}
	return to
}

// tell logs which sites' updates counted less than their weight.
func (j *Jobs) tell(job runs.Reduce, spec *ledger.RunSpec, verdicts []string) {
	for i, why := range verdicts {
		if why != "" {
			j.log.Info("an update counts less", "run", job.Run.Short(), "name", spec.Name, "round", job.Round, "site", j.host.Seen().SiteName(job.Inputs[i].Site), "why", why)
		}
	}
}

// inputs are where a node's reduction has its inputs from: its store, and what has gone from there is fetched first.
type inputs struct {
	ctx       context.Context
	artifacts *artifacts
	job       runs.Reduce
	layout    block.CID
}

// Open implements reduction.Source. A shard that went bad leaves the store by Get, unless there is a good copy, so that it is
// fetched again.
func (in *inputs) Open(p reduction.Part) (*reduction.Reader, error) {
	f := runs.Fetch{Run: in.job.Run, Manifest: p.Manifest, Layout: in.layout}
	switch p.As {
	case reduction.Update:
		f.Owner = p.Site
	case reduction.Slot:
		f = in.state()
	}
	a, err := in.artifacts.open(in.ctx, p.Manifest, f)
	if err != nil {
		return nil, err
	}
	again := func(i int, _ error) ([]byte, error) { return in.artifacts.store.Get(a.Manifest.Shards[i]) }
	return &reduction.Reader{Artifact: a, Bad: again}, nil
}

// State implements reduction.Source.
func (in *inputs) State(block.CID) (reduction.State, error) {
	return in.artifacts.heldState(in.ctx, in.state())
}

func (in *inputs) state() runs.Fetch {
	return runs.Fetch{Run: in.job.Run, Manifest: in.job.State, Layout: in.layout, State: true}
}
