package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/tensor"
)

// fetchState gets what is missing of an outer step's state: its block, and the artifacts that it names.
func (a *artifacts) fetchState(ctx context.Context, job runs.Fetch) error {
	b, s, err := a.stateBlock(ctx, job)
	if err != nil {
		return err
	}
	model, err := a.fetchBlock(ctx, job.Layout, "")
	if err != nil {
		return err
	}
	l, err := tensor.DecodeLayout(model.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	layout := reduction.StateLayout(l).Block()
	use := index.Use{Run: job.Run, As: index.AsModel, Of: job.Manifest}
	for _, slot := range slices.Sorted(maps.Keys(s.Slots)) {
		f := runs.Fetch{Run: job.Run, Manifest: s.Slots[slot], Layout: layout.CID, State: true}
		if err := a.fetchArtifact(ctx, f, use, func(block.CID) (block.Block, error) { return layout, nil }); err != nil {
			return err
		}
	}
	return a.putState(b)
}

// putState puts the block of a state into the store, whose slots are there.
func (a *artifacts) putState(b block.Block) error {
	a.keep.Lock()
	defer a.keep.Unlock()
	if !a.index.HasSlot(b.CID) {
		return errors.New("the outer step's state has just become useless")
	}
	if err := a.store.Put(b); err != nil {
		return err
	}
	a.blocks.Added(b.CID)
	return nil
}

// dropState removes the block of a state, unless it has got a slot again.
func (a *artifacts) dropState(name block.CID) error {
	a.keep.Lock()
	defer a.keep.Unlock()
	if a.index.HasSlot(name) {
		return nil
	}
	return a.store.Delete(name)
}

// stateBlock returns a state and its block, of the store or of whichever site has it.
func (a *artifacts) stateBlock(ctx context.Context, job runs.Fetch) (block.Block, reduction.State, error) {
	b, err := a.fetchBlock(ctx, job.Manifest, "")
	if err != nil {
		return b, reduction.State{}, err
	}
	s, err := reduction.DecodeState(b.Data)
	if err != nil {
		return b, s, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return b, s, nil
}

// heldState returns a state that the machine takes to be held. Its block, if it was lost, is fetched and stored again.
func (a *artifacts) heldState(ctx context.Context, f runs.Fetch) (reduction.State, error) {
	b, s, err := a.stateBlock(ctx, f)
	if err == nil && !a.store.Has(b.CID) {
		err = a.putState(b)
	}
	return s, err
}
