package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
)

// artifacts gets artifacts into the store, whole, and reads them. What it is asked for names the artifact as a job does.
type artifacts struct {
	store  *blockstore.Disk
	index  *index.Index
	blocks Blocks
	host   Host
	site   *config.Live

	keep sync.Mutex // held while an artifact gets a use, or is removed for having none

	mu      sync.Mutex
	reading map[chan struct{}]block.CID // models that the operator wants something of; closed when it is done
	intakes map[chan struct{}]bool      // under way; closed when they are over
}

// reads keeps an artifact in the store until done is called, if it is there.
func (a *artifacts) reads(manifest block.CID) (done func(), held bool) {
	a.keep.Lock() // so that it is not just being removed
	defer a.keep.Unlock()
	held = a.holds(manifest)
	a.mu.Lock()
	defer a.mu.Unlock()
	end := make(chan struct{})
	a.reading[end] = manifest
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.reading, end)
		close(end)
	}, held
}

// readBy returns the end of one of those who read an artifact, or may just be taking it in, nil if there are none.
func (a *artifacts) readBy(manifest block.CID) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	for end := range a.intakes {
		return end
	}
	for end, of := range a.reading {
		if of == manifest {
			return end
		}
	}
	return nil
}

// errUnusable marks what can never be used, whoever offers it: the fetch ends with its reason.
var errUnusable = errors.New("the artifact cannot be used")

// errTooLarge marks a model that would take more room than this site gives a run: it takes no part, and holds none of its models.
var errTooLarge = errors.New("the model is too large for this site")

// tryFetch gets what is missing of an artifact, or of each slot of a state.
func (a *artifacts) tryFetch(ctx context.Context, job runs.Fetch) error {
	if job.State {
		return a.fetchState(ctx, job)
	}
	return a.fetchArtifact(ctx, job, a.useOf(job), func(c block.CID) (block.Block, error) { return a.fetchBlock(ctx, c, job.Owner) })
}

// fetchArtifact gets what is missing of an artifact: the manifest, the layout, then the shards.
func (a *artifacts) fetchArtifact(ctx context.Context, job runs.Fetch, u index.Use, layoutOf func(block.CID) (block.Block, error)) error {
	if held, m, err := a.claimHeld(ctx, job, u); err != nil {
		return err
	} else if held {
		return a.checkInput(ctx, job, m)
	}
	manifest, layout, m, err := a.outline(ctx, job, layoutOf)
	if err != nil {
		return err
	}
	if err := a.checkInput(ctx, job, m); err != nil {
		return err
	}
	if why := tooLarge(a.site.Now(), m.Bytes, a.host.Seen().Sites()); why != "" && job.Owner == "" {
		return fmt.Errorf("%w: %s", errTooLarge, why)
	}
	return a.fetchShards(ctx, job, u, manifest, layout, m)
}

// outline returns what says of an artifact how large it is and what is in it: its manifest and its layout, which fit each other.
func (a *artifacts) outline(ctx context.Context, job runs.Fetch, layoutOf func(block.CID) (block.Block, error)) (manifest, layout block.Block, m blockstore.Manifest, err error) {
	if manifest, m, err = a.fetchManifest(ctx, job); err != nil {
		return manifest, layout, m, err
	}
	if layout, err = layoutOf(m.Layout); err != nil {
		return manifest, layout, m, err
	}
	l, err := tensor.DecodeLayout(layout.Data)
	if err == nil {
		err = m.Validate(l)
	}
	if err == nil && trained(job) {
		err = l.CheckWeights()
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errUnusable, err)
	}
	return manifest, layout, m, err
}

// claimHeld reports whether the artifact is held in full already, and notes what it is used for.
func (a *artifacts) claimHeld(ctx context.Context, job runs.Fetch, u index.Use) (held bool, m blockstore.Manifest, err error) {
	a.keep.Lock()
	defer a.keep.Unlock()
	found, err := a.store.Open(job.Manifest)
	if errors.Is(err, blockstore.ErrNotFound) || errors.Is(err, blockstore.ErrIncomplete) {
		return false, m, nil
	}
	if err != nil {
		return false, m, err
	}
	defer found.Close()
	err = checkLayout(job, found.Manifest)
	if err == nil && trained(job) {
		err = found.Layout.CheckWeights() // it may be here as constants of a run
	}
	if err != nil {
		return false, m, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return a.index.Add(ctx, job.Manifest, found.Manifest.Shards, u), found.Manifest, ctx.Err()
}

// trained reports whether a job means weights, and not a run's constants.
func trained(job runs.Fetch) bool { return job.Layout.Defined() }

// checkLayout refuses an artifact of another layout than a job wants.
func checkLayout(job runs.Fetch, m blockstore.Manifest) error {
	if job.Layout.Defined() && m.Layout != job.Layout {
		return fmt.Errorf("its layout is %s, the run's is %s", m.Layout, job.Layout)
	}
	return nil
}

// useOf returns what a fetched artifact is for.
func (a *artifacts) useOf(job runs.Fetch) index.Use {
	if job.Owner == "" {
		return index.Use{Run: job.Run, As: index.AsModel}
	}
	return index.Use{Run: job.Run, As: index.AsUpdate, Round: a.host.Seen().Round(job.Run)}
}

// fetchManifest returns the artifact's manifest, which must be of the run's layout.
func (a *artifacts) fetchManifest(ctx context.Context, job runs.Fetch) (block.Block, blockstore.Manifest, error) {
	b, err := a.fetchBlock(ctx, job.Manifest, job.Owner)
	if err != nil {
		return b, blockstore.Manifest{}, err
	}
	m, err := blockstore.DecodeManifest(b.Data)
	if err != nil {
		return b, m, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if err := checkLayout(job, m); err != nil {
		return b, m, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return b, m, nil
}

// checkInput refuses an update, or a slot of a state, that no model can be made from.
func (a *artifacts) checkInput(ctx context.Context, job runs.Fetch, m blockstore.Manifest) error {
	if job.Owner == "" && !job.State {
		return nil // a model, such as the base itself
	}
	spec := a.host.Seen().Spec(job.Run)
	switch {
	case spec == nil && job.State:
		return nil // of a run that is asked for; one that is cut otherwise keeps it from going on, as the opener could anyhow
	case spec == nil:
		return fmt.Errorf("run %s is not known yet", job.Run)
	}
	why, err := reduction.Unfit(spec, m, func(manifest block.CID) (blockstore.Manifest, error) {
		b, err := a.fetchBlock(ctx, manifest, "")
		if err != nil {
			return blockstore.Manifest{}, err
		}
		return blockstore.DecodeManifest(b.Data)
	})
	if why != "" {
		return fmt.Errorf("%w: %s", errUnusable, why)
	}
	return err // if the run has no usable base, the update is not to blame
}

// fetchBlock returns a block of the store, or of whichever site has it. It is not stored.
func (a *artifacts) fetchBlock(ctx context.Context, c block.CID, owner peer.ID) (block.Block, error) {
	if data, err := a.store.Get(c); err == nil {
		return block.Block{CID: c, Data: data}, nil
	}
	got := block.Block{CID: c}
	err := a.exchange(ctx, []block.CID{c}, owner, true, func(b block.Verified) error {
		got.Data = append([]byte(nil), b.Block().Data...) // the memory is used again
		return nil
	})
	return got, err
}

// exchange fetches blocks from the owner and every site that is connected or will be.
func (a *artifacts) exchange(ctx context.Context, want []block.CID, owner peer.ID, urgent bool, put func(block.Verified) error) error {
	ctx, cancel := context.WithCancel(ctx)
	more := a.host.Providers(ctx, owner)
	progress := func(int, int, int64) { paceOf(ctx).move() }
	_, err := a.blocks.Fetch(ctx, exchange.Request{Want: want, More: more, Put: put, Urgent: urgent, Progress: progress})
	cancel()
	for range more { // until its goroutine has ended
	}
	return err
}

// fetchShards fills the artifact with what it lacks, and makes it complete.
func (a *artifacts) fetchShards(ctx context.Context, job runs.Fetch, u index.Use, manifest, layout block.Block, m blockstore.Manifest) (err error) {
	a.keep.Lock()
	added := a.index.Add(ctx, job.Manifest, m.Shards, u)
	a.keep.Unlock()
	if !added {
		return ctx.Err()
	}
	w, err := a.store.Create(manifest, layout, blockstore.WriteOptions{Finite: true})
	if err != nil {
		return usable(err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if missing := w.Missing(); len(missing) > 0 {
		if err := a.exchange(ctx, missing, job.Owner, false, w.WriteVerified); err != nil {
			return usable(err)
		}
	}
	if err := w.Commit(); err != nil {
		return err
	}
	a.blocks.Added(job.Manifest)
	return nil
}

// usable marks errors that say that the artifact itself is no good.
func usable(err error) error {
	if errors.Is(err, tensor.ErrNotFinite) || errors.Is(err, tensor.ErrInvalid) {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	return err
}

// open opens an artifact that the machine takes to be held, fetching what was lost of it: all that a fetch brings, which may
// be a state with the artifact as a slot.
func (a *artifacts) open(ctx context.Context, manifest block.CID, f runs.Fetch) (*blockstore.Artifact, error) {
	found, err := a.store.Open(manifest)
	if errors.Is(err, blockstore.ErrNotFound) || errors.Is(err, blockstore.ErrIncomplete) {
		if err := a.tryFetch(ctx, f); err != nil {
			return nil, fmt.Errorf("fetch again %s: %w", f.Manifest, err)
		}
		found, err = a.store.Open(manifest)
	}
	return found, err
}

// layout returns the job's layout, or one without tensors if it cannot be had.
func (a *artifacts) layout(ctx context.Context, job runs.Fetch) (l tensor.Layout) {
	b, err := a.fetchBlock(ctx, job.Layout, "")
	if err == nil {
		l, err = tensor.DecodeLayout(b.Data)
	}
	if err != nil {
		return tensor.Layout{}
	}
	return l
}
