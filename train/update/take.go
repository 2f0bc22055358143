package update

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// Training is a training that has ended.
type Training struct {
	Spec   *ledger.RunSpec // of its run
	Base   block.CID       // manifest of the model that its round began from
	Result train.Result
}

// Take checks what the trainer made, and takes it over from the task's folder: it is an update of the run's layout, cut as the
// base is. The store holds the layout and the base's manifest.
func (t Training) Take(ctx context.Context, store blockstore.Store) (block.CID, error) {
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
