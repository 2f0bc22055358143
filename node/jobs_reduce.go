package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/runs"
)

// reducing is a reduction under way.
type reducing struct {
	job    runs.Reduce
	wanted context.Context // ends when the run has gone on without it
	cancel context.CancelFunc
	done   chan struct{}
}

// reduce computes the new model of a seal, unless that is under way or the run has gone on already: seal and
// commit may come at once, and then the updates are gone. The mutex is held.
func (j *jobs) reduce(job runs.Reduce) {
	if j.reducing[job.Seal] != nil || j.closed || j.n.view.Load().seals[job.Run] != job.Seal {
		return
	}
	r := &reducing{job: job, done: make(chan struct{})}
	r.wanted, r.cancel = context.WithCancel(j.ctx)
	j.reducing[job.Seal] = r
	spec := j.n.machine.Ledger().Run(job.Run).Spec // start runs on the loop's goroutine
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

// goneOn forgets why trainings of runs that are over have failed, and tells reductions of seals that are no longer a
// run's latest that they need not be tried again. One that computes already goes on: what comes out is what would else
// have to be fetched.
func (j *jobs) goneOn(v *view) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for seal, r := range j.reducing {
		if v.seals[r.job.Run] != seal {
			r.cancel()
		}
	}
	for run, active := range v.active {
		if !active {
			delete(j.problems, trainingOf(run))
		}
	}
}

// underway returns a channel that is closed when a reduction of the run has ended, nil if there is none.
func (j *jobs) underway(run block.CID) <-chan struct{} {
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
func (j *jobs) aggregate(r *reducing, spec *ledger.RunSpec) (done runs.Reduced, err error) {
	about := "reduce " + r.job.Seal.String()
	defer j.setProblem(about, "", "")
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		done, err = j.tryReduce(r, spec)
		if err == nil || r.wanted.Err() != nil {
			return done, err
		}
		j.log.Warn("the new model is not computed yet", "run", r.job.Run.Short(), "name", spec.Name, "round", r.job.Round, "error", err)
		j.setProblem(about, fmt.Sprintf("the new model of round %d cannot be computed: %v", r.job.Round, err), "it is tried again; if the disk is full, free some space")
		select {
		case <-time.After(wait):
		case <-r.wanted.Done():
			return done, r.wanted.Err()
		}
	}
}

// tryReduce reads the sealed updates shard by shard and writes the model; a shard that went bad on
// this disk is fetched again, so the error then is only of the moment.
func (j *jobs) tryReduce(r *reducing, spec *ledger.RunSpec) (runs.Reduced, error) {
	job := r.job
	done := runs.Reduced{Seal: job.Seal}
	in, err := j.openInputs(r.wanted, job, spec)
	if err != nil {
		return done, err
	}
	defer in.close()
	base := in.base.artifact
	b, err := j.n.store.NewArtifact(base.Layout, base.Manifest.ShardElements)
	if err != nil {
		return done, err
	}
	shards := make([]block.CID, 0, base.Len())
	_, err = aggregate.Reduce(j.ctx, aggregate.Job{Round: job.Round, Shape: aggregate.ShapeOf(base), Base: in.base, Inputs: in.inputs}, aggregate.Sink{Model: func(i int, data []byte) error {
		if j.n.spoil != nil {
			j.n.spoil(i, data)
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
	j.keep.Lock()
	defer j.keep.Unlock()
	if done.Model, err = b.Commit(); err != nil {
		return done, errors.Join(err, b.Abort())
	}
	j.n.index.add(j.ctx, done.Model, shards, use{Run: job.Run, As: asDraft, Round: job.Round})
	j.n.exchange.Added(append(shards, done.Model)...)
	return done, j.ctx.Err()
}

// inputs is what a reduction reads, open.
type inputs struct {
	base   *shardReader
	inputs []aggregate.Input
	opened []*shardReader
}

// openInputs opens the base and the updates; what has gone from the store is fetched first.
func (j *jobs) openInputs(ctx context.Context, job runs.Reduce, spec *ledger.RunSpec) (in *inputs, err error) {
	in = &inputs{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	open := func(f runs.Fetch) (*shardReader, error) {
		r, err := j.openArtifact(ctx, f)
		if err == nil {
			in.opened = append(in.opened, r)
		}
		return r, err
	}
	if in.base, err = open(runs.Fetch{Run: job.Run, Manifest: job.Base, Layout: spec.Layout}); err != nil {
		return in, err
	}
	in.inputs, err = averaged(job.Inputs, func(i ledger.Input, base bool) (aggregate.ShardReader, error) {
		if base {
			return open(runs.Fetch{Run: job.Run, Manifest: i.Base, Layout: spec.Layout})
		}
		return open(runs.Fetch{Run: job.Run, Manifest: i.Manifest, Layout: spec.Layout, Owner: i.Site})
	})
	return in, err
}

// averaged returns what a seal's average is computed from. open opens a sealed update or, if it is late, its own base.
func averaged(sealed []ledger.Input, open func(i ledger.Input, base bool) (aggregate.ShardReader, error)) (list []aggregate.Input, err error) {
	for _, i := range sealed {
		a := aggregate.Input{Weight: i.Weight}
		if a.Update, err = open(i, false); err != nil {
			return nil, err
		}
		if i.Base.Defined() {
			if a.Base, err = open(i, true); err != nil {
				return nil, err
			}
		}
		list = append(list, a)
	}
	return list, nil
}

func (in *inputs) close() {
	for _, r := range in.opened {
		_ = r.artifact.Close() // opened to read
	}
}

// openArtifact opens an artifact that the machine takes to be held, fetching what was lost of it.
func (j *jobs) openArtifact(ctx context.Context, f runs.Fetch) (*shardReader, error) {
	a, err := j.n.store.Open(f.Manifest)
	if errors.Is(err, blockstore.ErrNotFound) || errors.Is(err, blockstore.ErrIncomplete) {
		if err := j.tryFetch(ctx, f); err != nil {
			return nil, fmt.Errorf("fetch again %s: %w", f.Manifest, err)
		}
		a, err = j.n.store.Open(f.Manifest)
	}
	if err != nil {
		return nil, err
	}
	return &shardReader{j.n.store, a}, nil
}

// shardReader reads an artifact's shards, verified.
type shardReader struct {
	store    blockstore.Store
	artifact *blockstore.Artifact
}

var _ aggregate.ShardReader = (*shardReader)(nil)

// ReadShard implements aggregate.ShardReader. A shard that went bad leaves the store by Get, unless there
// is a good copy, so that it is fetched again.
func (r *shardReader) ReadShard(i int, buf []byte) ([]byte, error) {
	c := r.artifact.Manifest.Shards[i]
	data, err := r.artifact.ReadShard(i, buf)
	if err == nil && c.Verify(data) == nil {
		return data, nil
	}
	return r.store.Get(c)
}
