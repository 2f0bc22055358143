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
	"github.com/weft-mesh/weft/runs"
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
	in, err := j.openInputs(r.wanted, job, spec)
	if err != nil {
		return done, err
	}
	defer in.close()
	base := in.base.artifact
	b, err := j.artifacts.store.NewArtifact(base.Layout, base.Manifest.ShardElements)
	if err != nil {
		return done, err
	}
	shards := make([]block.CID, 0, base.Len())
	res, err := aggregate.Reduce(j.ctx, aggregate.Job{Strategy: strategy, Round: job.Round, Shape: aggregate.ShapeOf(base), Base: in.base, Inputs: in.inputs}, aggregate.Sink{Model: func(i int, data []byte) error {
		if j.spoil != nil {
			j.spoil(i, data)
		}
		c, err := b.WriteShard(i, data)
		shards = append(shards, c)
		return err
	}})
	var bad *aggregate.NotFiniteError
	if errors.As(err, &bad) {
		culprit := job.Inputs[bad.Input]
		update := in.inputs[bad.Input].Update.(*shardReader)
		done.Bad = &runs.BadInput{Site: culprit.Site, Shard: update.artifact.Manifest.Shards[bad.Shard], Err: bad.Error()}
		return done, b.Abort()
	}
	if err != nil {
		return done, errors.Join(err, b.Abort())
	}
	j.tell(job, spec, res.Verdicts)
	j.artifacts.keep.Lock()
	defer j.artifacts.keep.Unlock()
	if done.Model, err = b.Commit(); err != nil {
		return done, errors.Join(err, b.Abort())
	}
	j.artifacts.index.Add(j.ctx, done.Model, shards, index.Use{Run: job.Run, As: index.AsDraft, Round: job.Round})
	j.artifacts.blocks.Added(append(shards, done.Model)...)
	return done, j.ctx.Err()
}

// tell logs which sites' updates counted less than their weight.
func (j *Jobs) tell(job runs.Reduce, spec *ledger.RunSpec, verdicts []string) {
	for i, why := range verdicts {
		if why != "" {
			j.log.Info("an update counts less", "run", job.Run.Short(), "name", spec.Name, "round", job.Round, "site", j.host.Seen().SiteName(job.Inputs[i].Site), "why", why)
		}
	}
}

// inputs is what a reduction reads, open.
type inputs struct {
	base   *shardReader
	inputs []aggregate.Input
	opened []*shardReader
}

// openInputs opens the base and the updates; what has gone from the store is fetched first.
func (j *Jobs) openInputs(ctx context.Context, job runs.Reduce, spec *ledger.RunSpec) (in *inputs, err error) {
	in = &inputs{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	open := func(f runs.Fetch) (*shardReader, error) {
		r, err := j.artifacts.openArtifact(ctx, f)
		if err == nil {
			in.opened = append(in.opened, r)
		}
		return r, err
	}
	if in.base, err = open(runs.Fetch{Run: job.Run, Manifest: job.Base, Layout: spec.Layout}); err != nil {
		return in, err
	}
	in.inputs, err = reduction.Inputs(job.Inputs, func(i ledger.Input, base bool) (aggregate.ShardReader, error) {
		if base {
			return open(runs.Fetch{Run: job.Run, Manifest: i.Base, Layout: spec.Layout})
		}
		return open(runs.Fetch{Run: job.Run, Manifest: i.Manifest, Layout: spec.Layout, Owner: i.Site})
	})
	return in, err
}

func (in *inputs) close() {
	for _, r := range in.opened {
		_ = r.artifact.Close() // opened to read
	}
}
