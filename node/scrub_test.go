package node

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

// withModel returns sites that have committed a round of two and wait in the second, and the first site's model and its file.
func withModel(t *testing.T, n int) (sites []*testSite, model block.CID, path string) {
	t.Helper()
	sites = newTestMesh(t, n, nil)
	gateRounds(sites, 1)
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "damaged", Rounds: 2, MinSites: uint64(n)})
	for _, s := range sites {
		model = s.awaitRounds(run, 1).History[0].Model
		g := s.trainer.(*latch)
		s.await("its second training", func(*api.Status) bool { return g.began.Load() > 1 }) // which verifies the model first
	}
	path, err := sites[0].node.store.Path(model)
	if err != nil {
		t.Fatal(err)
	}
	return sites, model, path
}

// What went bad on a disk is found by the scrub and, if the run needs it, fetched again from other sites.
func TestScrub(t *testing.T) {
	t.Parallel()
	sites, model, path := withModel(t, 3)
	n := sites[0].node
	good := sites[0].export(model)
	damage(t, path)
	found := 0
	if err := n.store.Scrub(t.Context(), func(bad error) { found++; n.repair(bad) }); err != nil || found == 0 {
		t.Fatalf("the scrub finds %d damages, %v", found, err)
	}
	awaitEvent(sites[0], "the damage", func(trace.Corrupt) bool { return true })
	sites[0].await("the model, fetched again", func(*api.Status) bool { return n.jobs.Holds(model) })
	if again := sites[0].export(model); string(again) != string(good) {
		t.Error("another model than before")
	}
}

// What went bad on the disk is not sent to others, who would take it for malice, but fetched again.
func TestDamageIsNotServed(t *testing.T) {
	t.Parallel()
	sites, model, path := withModel(t, 2)
	n := sites[0].node
	good := sites[0].export(model)
	m, err := blockstore.ReadManifest(n.store, model)
	if err != nil {
		t.Fatal(err)
	}
	damage(t, path)
	if data, err := n.shelf.Get(m.Shards[len(m.Shards)-1]); !errors.As(err, new(*blockstore.CorruptError)) {
		t.Errorf("served are %d bytes, %v", len(data), err)
	}
	awaitEvent(sites[0], "the damage", func(trace.Corrupt) bool { return true })
	sites[0].await("the model, fetched again", func(*api.Status) bool { return n.jobs.Holds(model) })
	if got := sites[0].export(model); string(got) != string(good) {
		t.Error("another model than before")
	}
}

// What went bad on the disk, while the node was down or since it was read last, is neither trained on nor exported: it is
// fetched again.
func TestDamagedModel(t *testing.T) {
	t.Parallel()
	sites, base, path := withModel(t, 3)
	good := sites[0].export(base)
	sites[0].down()
	damage(t, path)
	read := &reader{bases: make(chan []byte)}
	sites[0].trainer = read
	sites[0].up(sites...)
	for _, when := range []string{"down", "up"} {
		if got := <-read.bases; string(got) != string(good) {
			t.Errorf("it was trained from a model that was damaged while the node was %s", when)
		}
		damage(t, path)
	}
	awaitEvent(sites[0], "the damage", func(trace.Corrupt) bool { return true })
	go func() { // its trainings go on failing
		for {
			select {
			case <-read.bases:
			case <-t.Context().Done():
				return
			}
		}
	}()
	sites[0].await("the model, fetched again", func(*api.Status) bool {
		body, err := sites[0].client.Model(t.Context(), block.CID{}, base)
		if err != nil {
			var refused *api.Error
			if !errors.As(err, &refused) || refused.Hint == "" {
				t.Errorf("the refusal is %v", err)
			}
			return false
		}
		defer body.Close()
		got, err := readAll(body)
		if err != nil || string(got) != string(good) {
			t.Errorf("%d bytes of a damaged model were exported, %v", len(got), err)
		}
		return true
	})
}

// reader is a trainer that tells the bases that it is given, and fails.
type reader struct{ bases chan []byte }

func (r *reader) Run(ctx context.Context, t train.Task, _ func(train.Progress)) (train.Result, error) {
	data, err := os.ReadFile(t.Base)
	if err != nil {
		return train.Result{}, err
	}
	select {
	case r.bases <- data:
	case <-ctx.Done():
	}
	return train.Result{}, errTest
}

// damage flips a bit near the end of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-8] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
