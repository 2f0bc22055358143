package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/round/runs"
)

// openWhole is open for what is read by others, who do not verify, such as a trainer: it is read through first, and
// what went bad on the disk is fetched again.
func (a *artifacts) openWhole(ctx context.Context, f runs.Fetch) (*blockstore.Artifact, error) {
	var bad error
	for range 2 { // once again after the damage is repaired
		r, err := a.open(ctx, f.Manifest, f)
		if err != nil {
			return nil, err
		}
		if bad = a.check(ctx, f.Manifest); bad == nil {
			return r, nil
		}
		_ = r.Close() // opened to read
		if !errors.As(bad, new(*blockstore.CorruptError)) && !errors.Is(bad, blockstore.ErrNotFound) && !errors.Is(bad, blockstore.ErrIncomplete) {
			return nil, bad
		}
	}
	return nil, fmt.Errorf("it goes bad as soon as it is stored: %w", bad)
}

// makeWhole makes sure that an artifact is on this site's disk, good in full.
func (a *artifacts) makeWhole(ctx context.Context, f runs.Fetch) error {
	r, err := a.openWhole(ctx, f)
	if err != nil {
		return err
	}
	return r.Close()
}

// check verifies an artifact. One that went bad is told of, and fetched again.
func (a *artifacts) check(ctx context.Context, manifest block.CID) error {
	err := a.store.Check(ctx, manifest)
	if errors.As(err, new(*blockstore.CorruptError)) {
		a.host.WentBad(context.WithoutCancel(ctx), err) // it is so whoever has asked
	}
	return err
}

// holds reports whether an artifact is in the store, complete.
func (a *artifacts) holds(manifest block.CID) bool {
	found, err := a.store.Open(manifest)
	if err != nil {
		return false
	}
	return found.Close() == nil
}
