package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/tensor"
)

// fetching is a fetch under way.
type fetching struct {
	job    runs.Fetch
	cancel context.CancelFunc
	done   chan struct{}
}

// wanted is what is fetched once at a time: of two runs that mean one artifact with two layouts one is wrong.
type wanted struct{ manifest, layout block.CID }

// endFetches ends the fetches of an artifact and returns them. The mutex is held.
func (j *jobs) endFetches(manifest block.CID) (ending []*fetching) {
	for what, f := range j.fetching {
		if what.manifest == manifest {
			f.cancel()
			ending = append(ending, f)
		}
	}
	return ending
}

// errUnusable marks what can never be used, whoever offers it: the fetch ends with its reason.
var errUnusable = errors.New("the artifact cannot be used")

// fetch has an artifact fetched, unless that is under way. The mutex is held.
func (j *jobs) fetch(job runs.Fetch) {
	what := wanted{job.Manifest, job.Layout}
	if j.fetching[what] != nil || j.closed {
		return
	}
	ctx, cancel := context.WithCancel(j.ctx)
	f := &fetching{job, cancel, make(chan struct{})}
	j.fetching[what] = f
	j.spawn(func() {
		defer cancel()
		invalid, err := j.obtain(ctx, job)
		j.mu.Lock()
		delete(j.fetching, what)
		close(f.done)
		j.mu.Unlock()
		if invalid != "" {
			j.drop(job.Manifest, j.useOf(job))
		}
		if err == nil {
			j.report(runs.Fetched{Manifest: job.Manifest, Layout: job.Layout, Invalid: invalid})
		}
	})
}

// obtain tries until the artifact is held or found invalid; its error is that of ctx.
func (j *jobs) obtain(ctx context.Context, job runs.Fetch) (invalid string, err error) {
	if done := j.underway(job.Run); done != nil && job.Owner == "" {
		select { // what is being computed here is likely the very model
		case <-done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	about := "fetch " + job.Manifest.String()
	defer j.setProblem(about, "", "")
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := j.tryFetch(ctx, job)
		switch {
		case err == nil:
			return "", nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(err, errUnusable):
			return err.Error(), nil
		case errors.Is(err, blockstore.ErrFull):
			j.setProblem(about, "no room to fetch "+j.describe(job)+": "+err.Error(), "free some disk space, or keep fewer models (keep_models)")
		}
		j.log.Debug("fetch goes on later", "artifact", job.Manifest, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (j *jobs) describe(job runs.Fetch) string {
	if job.Owner == "" {
		return "a model"
	}
	return "the update of " + j.n.siteName(job.Owner)
}

// tryFetch gets what is missing of an artifact: the manifest, the layout, then the shards.
func (j *jobs) tryFetch(ctx context.Context, job runs.Fetch) error {
	if held, err := j.claimHeld(ctx, job); held || err != nil {
		return err
	}
	manifest, m, err := j.fetchManifest(ctx, job)
	if err != nil {
		return err
	}
	layout, err := j.fetchBlock(ctx, job.Layout, job.Owner)
	if err != nil {
		return err
	}
	l, err := tensor.DecodeLayout(layout.Data)
	if err == nil {
		err = m.Validate(l)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	if job.Owner != "" {
		if err := j.checkCut(ctx, job, m); err != nil {
			return err
		}
	}
	return j.fetchShards(ctx, job, manifest, layout, m)
}

// claimHeld reports whether the artifact is held in full already, and notes what it is used for.
func (j *jobs) claimHeld(ctx context.Context, job runs.Fetch) (bool, error) {
	j.keep.Lock()
	defer j.keep.Unlock()
	a, err := j.n.store.Open(job.Manifest)
	if errors.Is(err, blockstore.ErrNotFound) || errors.Is(err, blockstore.ErrIncomplete) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer a.Close()
	if a.Manifest.Layout != job.Layout {
		return false, fmt.Errorf("%w: its layout is %s, the run's is %s", errUnusable, a.Manifest.Layout, job.Layout)
	}
	return j.n.index.add(ctx, job.Manifest, a.Manifest.Shards, j.useOf(job)), ctx.Err()
}

// useOf returns what a fetched artifact is for.
func (j *jobs) useOf(job runs.Fetch) use {
	if job.Owner == "" {
		return use{Run: job.Run, As: asModel}
	}
	return use{Run: job.Run, As: asUpdate, Round: j.n.view.Load().rounds[job.Run]}
}

// fetchManifest returns the artifact's manifest, which must be of the run's layout.
func (j *jobs) fetchManifest(ctx context.Context, job runs.Fetch) (block.Block, blockstore.Manifest, error) {
	b, err := j.fetchBlock(ctx, job.Manifest, job.Owner)
	if err != nil {
		return b, blockstore.Manifest{}, err
	}
	m, err := blockstore.DecodeManifest(b.Data)
	if err != nil {
		return b, m, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if m.Layout != job.Layout {
		return b, m, fmt.Errorf("%w: its layout is %s, the run's is %s", errUnusable, m.Layout, job.Layout)
	}
	return b, m, nil
}

// checkCut refuses an update that is cut into other shards than the run's base: shards are aggregated
// one by one.
func (j *jobs) checkCut(ctx context.Context, job runs.Fetch, m blockstore.Manifest) error {
	spec := j.n.view.Load().runs[job.Run]
	if spec == nil {
		return fmt.Errorf("run %s is not known yet", job.Run)
	}
	b, err := j.fetchBlock(ctx, spec.Base, "")
	if err != nil {
		return err
	}
	base, err := blockstore.DecodeManifest(b.Data)
	if err != nil {
		return err // the run has no usable base: nothing to blame the update for
	}
	if m.ShardElements != base.ShardElements {
		return fmt.Errorf("%w: shards of %d elements, the base has %d", errUnusable, m.ShardElements, base.ShardElements)
	}
	return nil
}

// fetchBlock returns a block of the store, or of whichever site has it. It is not stored.
func (j *jobs) fetchBlock(ctx context.Context, c block.CID, owner peer.ID) (block.Block, error) {
	if data, err := j.n.store.Get(c); err == nil {
		return block.Block{CID: c, Data: data}, nil
	}
	got := block.Block{CID: c}
	err := j.exchange(ctx, []block.CID{c}, owner, true, func(b block.Block) error {
		got.Data = append([]byte(nil), b.Data...) // the memory is used again
		return nil
	})
	return got, err
}

// exchange fetches blocks from the owner and every site that is connected or will be.
func (j *jobs) exchange(ctx context.Context, want []block.CID, owner peer.ID, urgent bool, put func(block.Block) error) error {
	ctx, cancel := context.WithCancel(ctx)
	more := j.n.reach.providers(ctx, owner, j.n.home.ID)
	_, err := j.n.exchange.Fetch(ctx, exchange.Request{Want: want, More: more, Put: put, Urgent: urgent})
	cancel()
	for range more { // until its goroutine has ended
	}
	return err
}

// fetchShards fills the artifact with what it lacks, and makes it complete.
func (j *jobs) fetchShards(ctx context.Context, job runs.Fetch, manifest, layout block.Block, m blockstore.Manifest) (err error) {
	j.keep.Lock()
	added := j.n.index.add(ctx, job.Manifest, m.Shards, j.useOf(job))
	j.keep.Unlock()
	if !added {
		return ctx.Err()
	}
	w, err := j.n.store.Create(manifest, layout, blockstore.WriteOptions{Finite: true})
	if err != nil {
		return usable(err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if missing := w.Missing(); len(missing) > 0 {
		if err := j.exchange(ctx, missing, job.Owner, false, w.WriteShard); err != nil {
			return usable(err)
		}
	}
	if err := w.Commit(); err != nil {
		return err
	}
	j.n.exchange.Added(job.Manifest)
	return nil
}

// usable marks errors that say that the artifact itself is no good.
func usable(err error) error {
	if errors.Is(err, tensor.ErrNotFinite) || errors.Is(err, tensor.ErrInvalid) {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	return err
}
