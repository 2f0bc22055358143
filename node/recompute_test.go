package node

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
)

// recomputed computes the models in a site's directory anew: all, or one.
func recomputed(t *testing.T, dir string, only block.CID) (list []archive.Recomputed) {
	t.Helper()
	told := 0
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Recompute(t.Context(), only, func(_ *archive.ModelReport, done, all int) {
		if told++; done < 1 || done > all {
			t.Errorf("%d of %d shards done", done, all)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Models {
		if m.Recomputed == nil {
			continue
		}
		if list = append(list, *m.Recomputed); m.Recomputed.Outcome == archive.Same && told == 0 {
			t.Error("no progress was told")
		}
	}
	return list
}

// keepingRun returns three sites, the first of which keeps updates, and their run of three rounds.
func keepingRun(t *testing.T, spoil func(shard int, data []byte)) ([]*testSite, api.RunStatus) {
	t.Helper()
	sites := newTestMesh(t, 3, func(name, config string) string {
		if name == "a" {
			config += "keep_updates: true\n"
		}
		return config
	})
	for _, s := range sites {
		s.spoil = spoil
	}
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "kept", Rounds: 3, MinSites: 3})
	var r api.RunStatus
	for _, s := range slices.Backward(sites) {
		r = s.awaitRounds(run, 3)
	}
	return sites, r
}

// Who keeps updates can compute every model anew, while its node runs.
func TestRecompute(t *testing.T) {
	t.Parallel()
	sites, r := keepingRun(t, nil)
	same := archive.Recomputed{Outcome: archive.Same}
	if got := recomputed(t, sites[0].dir, block.CID{}); !slices.Equal(got, []archive.Recomputed{same, same, same}) {
		t.Errorf("where updates are kept: %+v", got)
	}
	if got := recomputed(t, sites[0].dir, r.History[1].Model); !slices.Equal(got, []archive.Recomputed{same}) {
		t.Errorf("the second model: %+v", got)
	}
	sites[1].down() // it tidies up after the last round, so it may have kept that one's a moment ago
	if got := recomputed(t, sites[1].dir, r.History[0].Model); len(got) != 1 || got[0].Outcome != archive.NotKept || !strings.Contains(got[0].Why, "c's update") {
		t.Errorf("where none are kept: %+v", got)
	}

	sites[0].down()
	update := sealedUpdates(t, sites[0].dir, 1)[1]
	damage(t, filepath.Join(sites[0].dir, site.StoreDir, "artifacts", update.String()+".safetensors"))
	for _, scrubbed := range []bool{false, true} {
		if scrubbed { // as a node does by itself
			store, err := blockstore.OpenDisk(filepath.Join(sites[0].dir, site.StoreDir), blockstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(store.Scrub(t.Context(), func(error) {}), store.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if got := recomputed(t, sites[0].dir, block.CID{}); got[0].Outcome != archive.Damaged || !strings.Contains(got[0].Why, "'s update") || got[1] != same || got[2] != same {
			t.Errorf("with a damaged update: %+v", got)
		}
	}
}

// Should all sites certify what the updates do not give, whoever keeps those finds out, and where.
func TestRecomputeFindsALie(t *testing.T) {
	t.Parallel()
	sites, _ := keepingRun(t, func(shard int, data []byte) {
		if shard == 1 {
			data[5] ^= 1
		}
	})
	for i, got := range recomputed(t, sites[0].dir, block.CID{}) {
		if got.Outcome != archive.Differs || !strings.Contains(got.Why, "1 of 2 shards differ, the first is shard 1 (of ") {
			t.Errorf("round %d: %+v", i+1, got)
		}
	}
}

// sealedUpdates returns the manifests of the updates in a round's seal, in seal order.
func sealedUpdates(t *testing.T, dir string, number uint64) (list []block.CID) {
	t.Helper()
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := a.Ledger(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if seal := ledger.As[ledger.Seal](e.Entry); seal != nil && seal.Round == number {
			for i := range seal.Updates {
				list = append(list, seal.Updates[i].Update.Update().Manifest)
			}
		}
	}
	return list
}
