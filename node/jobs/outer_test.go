package jobs

import (
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// seekState has jobs fetch a state whose blocks are all here, but no shard, and waits until its slot is begun.
func seekState(t *testing.T, h *testHost) (j *Jobs, run, name block.CID) {
	t.Helper()
	j, run = newTestJobs(t, h, nil), block.Sum(block.DagCBOR, []byte("run"))
	base := testArtifact(t, j)
	store := j.artifacts.store
	m, err := blockstore.ReadManifest(store, base)
	if err != nil {
		t.Fatal(err)
	}
	j.artifacts.index.Add(t.Context(), base, m.Shards, index.Use{Run: run, As: index.AsModel})
	h.spec = &ledger.RunSpec{Base: base, Layout: m.Layout}
	slot := m
	slot.Shards = []block.CID{block.Sum(block.Raw, []byte("a shard that nobody has"))}
	state := reduction.State{Slots: map[string]block.CID{"v": slot.Block().CID}}
	for _, b := range []block.Block{slot.Block(), state.Block()} {
		if err := store.Put(b); err != nil {
			t.Fatal(err)
		}
	}
	name = state.Block().CID
	j.Start(nil, runs.Fetch{Run: run, Manifest: name, Layout: m.Layout, State: true})
	eventually(t, "the slot", func() bool { return len(store.Artifacts()) == 2 })
	return j, run, name
}

// A state that is of no use any more leaves nothing in the store, though it was just being fetched.
func TestStateOfNoUse(t *testing.T) {
	j, _, name := seekState(t, &testHost{})
	j.remove(func(_ block.CID, u index.Use) bool { return u.Of == name })
	eventually(t, "the end of slot and block", func() bool { return len(j.artifacts.store.Artifacts()) == 1 && !j.artifacts.store.Has(name) })
}

// What ends a fetch that another job counts on says so: a member can announce as its update what others know as a state.
func TestFetchEndedByAnother(t *testing.T) {
	h := &testHost{said: make(chan round.Event, 8)}
	j, run, name := seekState(t, h)
	j.Start(new(ledger.Ledger), runs.Forget{Run: run, Manifest: name, Update: true})
	if ev := <-h.said; ev != (runs.Lost{Manifest: name}) {
		t.Errorf("told %+v", ev)
	}
}

// The block of a state that went bad comes back.
func TestStateBlockWentBad(t *testing.T) {
	h := &testHost{said: make(chan round.Event, 8)}
	j, run, name := seekState(t, h)
	if got := j.artifacts.index.RunsOf(name); len(got) != 1 || got[0] != run {
		t.Errorf("a state of runs %v", got)
	}
	j.StateWentBad(name)
	if ev := <-h.said; ev != (runs.Lost{Manifest: name}) {
		t.Errorf("told %+v", ev)
	}
}
