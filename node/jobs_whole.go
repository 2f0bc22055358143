package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/round"
)

// openWhole is openArtifact for what is read by others, who do not verify, such as a trainer. An artifact that this life
// of the node has not computed is verified before it is first read; what went bad on the disk is fetched again.
func (j *jobs) openWhole(ctx context.Context, f round.Fetch) (*shardReader, error) {
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

// check verifies an artifact, once.
func (j *jobs) check(ctx context.Context, manifest block.CID) error {
	if j.isWhole(manifest) {
		return nil
	}
	err := j.n.store.Check(ctx, manifest)
	if err == nil {
		j.setWhole(manifest, true)
	} else if errors.As(err, new(*blockstore.CorruptError)) {
		j.n.wentBad(j.ctx, err) // it is so whoever has asked
	}
	return err
}

func (j *jobs) isWhole(manifest block.CID) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.whole[manifest]
}

// setWhole notes that every byte of an artifact was verified or computed in this life of the node, or that it was lost.
func (j *jobs) setWhole(manifest block.CID, whole bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if whole {
		j.whole[manifest] = true
	} else {
		delete(j.whole, manifest)
	}
}
