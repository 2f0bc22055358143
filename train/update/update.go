// Package update is what becomes of a trainer's result: the update that a site offers, its metrics, and the seed of a task.
// The node, a dry run of a trainer and the simulator's workload that learns have it in common.
package update

import (
	"encoding/binary"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train"
)

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
