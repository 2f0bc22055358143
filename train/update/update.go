// Package update is what becomes of a trainer's result: the update that a site offers, its metrics, and the seed of a task.
// The node and a dry run of a trainer have it in common.
package update

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// Wanted is what an update has to be.
type Wanted struct {
	Layout    block.CID
	Shard     uint64    // elements of a shard
	Base      block.CID // from which its change is measured, and held whole; undefined: it is not
	MaxChange float64   // as in a run's bounds
}

// Taken is an update in the store.
type Taken struct {
	Manifest block.CID
	Norm     float64 // of its change, if that was measured
}

// Take checks what a trainer made of a task, and takes it over from its folder. The store holds the layout. What is refused for its
// change is named, and in the store.
func Take(ctx context.Context, store *blockstore.Disk, res train.Result, want Wanted) (t Taken, err error) {
	if t.Manifest, err = takeIn(ctx, store, res, want); err != nil || !want.Base.Defined() {
		return t, err
	}
	c, err := compare(ctx, store, want.Base, t.Manifest)
	if err == nil {
		err = c.Check(want.MaxChange)
	}
	if errors.Is(err, aggregate.ErrTooLong) {
		err = hint.Add(err, "training has diverged: a smaller learning rate, or clipped gradients, may help; or the run allows more (max_change)")
	}
	t.Norm = c.Norm
	return t, err
}

// compare measures an update beside its base, both of which are held.
func compare(ctx context.Context, store *blockstore.Disk, base, update block.CID) (c aggregate.Change, err error) {
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
	return aggregate.Compare(ctx, aggregate.ShapeOf(from), from, to)
}

func takeIn(ctx context.Context, store *blockstore.Disk, res train.Result, want Wanted) (block.CID, error) {
	if res.Samples == 0 {
		return block.CID{}, errors.New("the trainer says that it saw no samples: they are the update's weight")
	}
	c, err := store.Import(ctx, res.Update, blockstore.ImportOptions{Layout: want.Layout, ShardElements: want.Shard, Finite: true})
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

// Metrics returns those of a trainer's metrics that a site can state, at most so many.
func Metrics(log *slog.Logger, all map[string]float64, most int) map[string]float64 {
	out := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		if len(out) == most || len(name) == 0 || len(name) > ledger.MaxName || math.IsNaN(v) || math.IsInf(v, 0) {
			log.Warn("a metric is not sent: only finite numbers with short names are, and not too many", "name", name[:min(len(name), ledger.MaxName)], "value", v)
			continue
		}
		out[name] = v
	}
	return out
}

// Measured returns what an evaluation found as a site can state it.
func Measured(log *slog.Logger, res train.Result, took time.Duration) ledger.Measured {
	samples := min(max(1, res.Samples), ledger.MaxSamples)
	return ledger.Measured{Samples: samples, Metrics: Metrics(log, res.Metrics, ledger.MaxFigures), Took: uint64(took.Milliseconds())}
}

// Seed returns a seed of 53 bits, so that any JSON reader takes it for what it is.
func Seed(b []byte, numbers ...uint64) uint64 {
	for _, v := range numbers {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	d := block.Sum(block.Raw, b).Digest()
	return binary.BigEndian.Uint64(d[:]) >> 11
}
