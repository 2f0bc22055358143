package jobs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
)

// An update whose bytes are those of an artifact that is no longer needed: whenever that is removed, the update is held once it has
// been taken. The schedules say at which of the steps the last uses of older contents end.
func TestTakenInWhileRemoved(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { takenIn(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

// takenIn takes six updates of the same bytes, and removes the use of each at a step of the next one's way: before it is taken in,
// when it is taken in and has no use yet, or when it has.
func takenIn(t *testing.T, choice *rand.Rand) {
	run, h := block.Sum(block.DagCBOR, []byte("run")), &testHost{}
	j := newTestJobs(t, h, nil)
	base, c := artifactOf(t, j, 1), testArtifact(t, j)
	m, err := blockstore.ReadManifest(j.artifacts.store, c)
	if err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := j.artifacts.store.Export(c, &content); err != nil {
		t.Fatal(err)
	}
	before := index.Use{Run: run, As: index.AsUpdate}
	j.artifacts.index.Add(t.Context(), c, m.Shards, before)
	for i := range uint64(6) {
		collects := choice.IntN(3)
		step := func(n int) {
			if n == collects {
				j.Drop(c, before)
				synctest.Wait() // what can be removed now is
			}
		}
		h.round = func() uint64 { step(1); return i + 1 }
		path := filepath.Join(j.desk.dir, fmt.Sprint(i))
		if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		step(0)
		done, err := j.desk.take(t.Context(), runs.Train{Run: run, Base: base, Spec: &ledger.RunSpec{Layout: m.Layout}}, train.Result{Update: path, Samples: 1})
		if err != nil {
			t.Fatalf("update %d is thrown away: %v", i, err)
		}
		step(2)
		if before.Round = i + 1; done.Manifest != c || !j.Holds(c) {
			t.Fatalf("update %d is taken, and not held", i)
		}
	}
	j.Drop(c, before)
	synctest.Wait()
	if j.Holds(c) {
		t.Error("what nothing needs stays")
	}
}
