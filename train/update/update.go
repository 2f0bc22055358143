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

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// Take checks what a trainer made of a task, and takes it over from its folder. The store holds the layout.
func Take(ctx context.Context, store *blockstore.Disk, res train.Result, layout block.CID, shard uint64) (block.CID, error) {
	if res.Samples == 0 {
		return block.CID{}, errors.New("the trainer says that it saw no samples: they are the update's weight")
	}
	c, err := store.Import(ctx, res.Update, blockstore.ImportOptions{Layout: layout, ShardElements: shard, Finite: true})
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
