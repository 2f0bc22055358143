package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/round/runs"
)

// measure tries until the change of a fetched update is measured, whose base it fetches if that is not held, and says whether the
// run refuses it. Its error is that of ctx.
func (a *artifacts) measure(ctx context.Context, job runs.Fetch, log *slog.Logger) (norm float64, invalid string, err error) {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		norm, invalid, err = a.tryMeasure(ctx, job)
		switch {
		case err == nil:
			return norm, invalid, nil
		case ctx.Err() != nil:
			return 0, "", ctx.Err()
		}
		log.Debug("the change of an update is not measured yet", "update", job.Manifest, "base", job.Base, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, "", ctx.Err()
		}
	}
}

func (a *artifacts) tryMeasure(ctx context.Context, job runs.Fetch) (norm float64, invalid string, err error) {
	spec := a.host.Seen().Spec(job.Run)
	if spec == nil {
		return 0, "", ctx.Err() // the run has gone, and nobody asks any more
	}
	bounds, err := spec.Bounds.Read()
	if err != nil {
		return 0, "", err
	}
	base, err := a.open(ctx, job.Base, runs.Fetch{Run: job.Run, Manifest: job.Base, Layout: job.Layout})
	if err != nil {
		return 0, "", err
	}
	defer base.Close() // opened to read
	u, err := a.open(ctx, job.Manifest, job)
	if err != nil {
		return 0, "", err
	}
	defer u.Close() // opened to read
	c, err := aggregate.Compare(ctx, aggregate.ShapeOf(base.Cut()), base, u)
	if err != nil {
		return 0, "", err
	}
	if err := c.Check(bounds.MaxChange); err != nil {
		return c.Norm, err.Error(), nil
	}
	return c.Norm, "", nil
}

// abandon removes an artifact that was taken in and is of no use, unless it has one already. While something else is taken in,
// whose content it may be, it stays, and goes with what is found of no use at the next start.
func (a *artifacts) abandon(manifest block.CID) error {
	a.keep.Lock()
	defer a.keep.Unlock()
	a.mu.Lock()
	others := len(a.intakes) > 1 // one is its own
	a.mu.Unlock()
	if others || !manifest.Defined() || len(a.index.Uses(manifest)) > 0 {
		return nil
	}
	return a.store.DeleteArtifact(manifest)
}
