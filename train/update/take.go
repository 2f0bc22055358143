package update

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// Training is a training that has ended.
type Training struct {
	Spec    *ledger.RunSpec // of its run
	Base    block.CID       // manifest of the model that its round began from
	Bounded bool            // the run's bounds are in force: its change is measured, and the base held whole
	Result  train.Result
}

// Taken is an update in the store.
type Taken struct {
	Manifest block.CID
	Norm     float64 // of its change, if that was measured
}

// Take checks what the trainer made, and takes it over from the task's folder: it is an update of the run's layout, cut as the
// base is. The store holds the layout and the base's manifest. What is refused for its change is named, and in the store.
func (t Training) Take(ctx context.Context, store blockstore.Store) (taken Taken, err error) {
	bounds, err := t.Spec.Bounds.Read()
	if err != nil {
		return taken, err // such a description was never valid
	}
	if taken.Manifest, err = t.takeIn(ctx, store); err != nil || !t.Bounded {
		return taken, err
	}
	c, err := compare(ctx, store, t.Base, taken.Manifest)
	if err == nil {
		err = c.Check(bounds.MaxChange)
	}
	if errors.Is(err, aggregate.ErrTooLong) {
		err = hint.Add(err, "training has diverged: a smaller learning rate, or clipped gradients, may help; or the run allows more (max_change)")
	}
	taken.Norm = c.Norm
	return taken, err
}

// compare measures an update beside its base, both of which are held.
func compare(ctx context.Context, store blockstore.Store, base, update block.CID) (c aggregate.Change, err error) {
	from, err := store.Open(base)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := store.Open(update)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return aggregate.Compare(ctx, aggregate.ShapeOf(from.Cut()), from, to)
}

func (t Training) takeIn(ctx context.Context, store blockstore.Store) (block.CID, error) {
	if t.Result.Samples == 0 {
		return block.CID{}, errors.New("the trainer says that it saw no samples: they are the update's weight")
	}
	base, err := blockstore.ReadManifest(store, t.Base)
	if err != nil {
		return block.CID{}, fmt.Errorf("the round's base: %w", err)
	}
	c, err := store.Import(ctx, t.Result.Update, blockstore.ImportOptions{Layout: t.Spec.Layout, ShardElements: base.ShardElements, Finite: true})
	switch {
	case errors.Is(err, blockstore.ErrLayout):
		return c, hint.Add(err, "an update has the tensors of its base: their names, shapes and dtypes")
	case errors.Is(err, tensor.ErrNotFinite):
		return c, hint.Add(err, "training has diverged: a smaller learning rate, or clipped gradients, may help")
	case errors.Is(err, tensor.ErrSafetensors), errors.Is(err, tensor.ErrInvalid):
		return c, hint.Add(err, "an update is a safetensors file, as docs/trainers.md has it under The files")
	}
	return c, err
}
