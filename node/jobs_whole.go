package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/runs"
)

// openWhole is openArtifact for what is read by others, who do not verify, such as a trainer: it is read through first, and
// what went bad on the disk is fetched again.
func (j *jobs) openWhole(ctx context.Context, f runs.Fetch) (*shardReader, error) {
	var bad error
	for range 2 { // once again after the damage is repaired
		r, err := j.openArtifact(ctx, f)
		if err != nil {
			return nil, err
		}
		if bad = j.check(ctx, f.Manifest); bad == nil {
			return r, nil
		}
		_ = r.artifact.Close() // opened to read
		if !errors.As(bad, new(*blockstore.CorruptError)) && !errors.Is(bad, blockstore.ErrNotFound) && !errors.Is(bad, blockstore.ErrIncomplete) {
			return nil, bad
		}
	}
	return nil, fmt.Errorf("it goes bad as soon as it is stored: %w", bad)
}

// check verifies an artifact. One that went bad is told of, and fetched again.
func (j *jobs) check(ctx context.Context, manifest block.CID) error {
	err := j.n.store.Check(ctx, manifest)
	if errors.As(err, new(*blockstore.CorruptError)) {
		j.n.wentBad(j.ctx, err) // it is so whoever has asked
	}
	return err
}

// wentBad is the node's, for who must not wait.
func (j *jobs) wentBad(bad error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spawn(func() { j.n.wentBad(j.ctx, bad) })
}

// again fetches a model that this site keeps and that went bad, also if the machine has no need of it.
func (j *jobs) again(manifest block.CID) {
	for _, u := range j.n.index.usesOf(manifest) {
		if spec := j.n.view.Load().runs[u.Run]; spec != nil && u.As == asModel {
			j.start(runs.Fetch{Run: u.Run, Manifest: manifest, Layout: spec.Layout})
			return
		}
	}
}
