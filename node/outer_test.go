package node

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
)

// statesAt returns what the ledger of a site that is down says of the outer step's state after each round.
func statesAt(t *testing.T, dir string) (states []block.CID) {
	t.Helper()
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := a.Ledger(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if c := ledger.As[ledger.Commit](e.Entry); c != nil {
			states = append(states, c.State)
		}
	}
	return states
}

// heldStates returns which of the states are in full in a site's store.
func heldStates(t *testing.T, dir string, states []block.CID) (held []bool) {
	t.Helper()
	store, err := blockstore.OpenDisk(filepath.Join(dir, site.StoreDir), blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, name := range states {
		data, err := store.Get(name)
		if errors.Is(err, blockstore.ErrNotFound) {
			held = append(held, false)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := reduction.DecodeState(data)
		if err != nil {
			t.Fatal(err)
		}
		for slot, manifest := range s.Slots {
			a, err := store.Open(manifest)
			if err != nil {
				t.Fatalf("slot %s of a state whose block is there: %v", slot, err)
			}
			_ = a.Close() // opened to read
		}
		held = append(held, true)
	}
	return held
}

// TestNesterovRun: the outer step's state is committed with each model, kept as long as that, computed anew from kept updates, and
// fetched by a site that has missed rounds or lost its disk.
func TestNesterovRun(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, func(name, config string) string {
		if name == "d" {
			return config + "keep_models: 2\n"
		}
		return config + "keep_updates: true\n"
	})
	upAll(sites[:3])
	a, d := sites[0], sites[3]
	run := a.start(ledger.RunSpec{Name: "diloco", Rounds: 6, MinSites: 3, Strategy: ledger.NewStrategy(ledger.Method{Outer: "nesterov", Params: map[string]string{"lr": "0.5"}})})
	a.awaitRounds(run, 2)
	d.up(sites...) // it has missed two rounds, so it has to fetch the state to compute a third
	for _, s := range sites {
		s.awaitRounds(run, 6)
	}
	for _, s := range sites {
		s.down()
	}
	states := statesAt(t, a.dir)
	if len(states) != 6 || slices.Contains(states, block.CID{}) || states[0] == states[1] {
		t.Fatalf("states %v", states)
	}
	for i, got := range recomputed(t, a.dir, block.CID{}) {
		if got != (archive.Recomputed{Outcome: archive.Same}) {
			t.Errorf("round %d recomputed: %+v", i+1, got)
		}
	}
	if held := heldStates(t, a.dir, states); slices.Contains(held, false) {
		t.Errorf("who keeps updates keeps the states that they went into: %v", held)
	}
	if held := heldStates(t, d.dir, states); !slices.Equal(held, []bool{false, false, false, true, true, true}) {
		t.Errorf("of the last three, which all keep, there are %v", held)
	}
}
