package node

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/train"
)

// What went bad on a disk is found by the scrub and, if the run needs it, fetched again from other sites.
func TestScrub(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, nil)
	gateRounds(sites, 1)
	upAll(sites)
	run := sites[0].start(round.RunSpec{Name: "scrub", Rounds: 2, MinSites: 3})
	base := sites[0].awaitRounds(run, 1).History[0].Model // of round 2
	for _, s := range sites[1:] {
		s.awaitRounds(run, 1)
	}
	n := sites[0].node
	good := sites[0].export(base)
	path, err := n.store.Path(base)
	if err != nil {
		t.Fatal(err)
	}
	damage(t, path)
	found := 0
	if err := n.store.Scrub(t.Context(), func(bad error) { found++; n.wentBad(t.Context(), bad) }); err != nil || found == 0 {
		t.Fatalf("the scrub finds %d damages, %v", found, err)
	}
	sites[0].awaitEvent("the damage", func(e Event) bool { return e.Event == "corrupt" })
	sites[0].await("the model, fetched again", func(st *Status) bool {
		a, err := n.store.Open(base)
		if err != nil {
			return false
		}
		return a.Close() == nil
	})
	if again := sites[0].export(base); string(again) != string(good) {
		t.Error("another model than before")
	}
}

// What went bad on the disk of a node that is down is neither trained on nor exported: it is fetched again.
func TestDamagedWhileDown(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, nil)
	gateRounds(sites, 1)
	upAll(sites)
	run := sites[0].start(round.RunSpec{Name: "damaged", Rounds: 2, MinSites: 3})
	base := sites[0].awaitRounds(run, 1).History[0].Model // of round 2
	for _, s := range sites[1:] {
		s.awaitRounds(run, 1)
	}
	good := sites[0].export(base)
	path, err := sites[0].node.store.Path(base)
	if err != nil {
		t.Fatal(err)
	}
	sites[0].down()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	damage(t, path)
	read := &reader{}
	sites[0].trainer = read
	sites[0].up(sites...)
	sites[0].awaitEvent("the damage", func(e Event) bool { return e.Event == "corrupt" })
	sites[0].await("a training", func(*Status) bool { return read.bases.Load() != nil })
	if string(*read.bases.Load()) != string(good) {
		t.Error("it was trained from a damaged model")
	}
	if again := sites[0].export(base); string(again) != string(good) {
		t.Error("a damaged model was exported")
	}
}

// reader is a trainer that notes the base it was given, and then fails.
type reader struct{ bases atomic.Pointer[[]byte] }

func (r *reader) Run(_ context.Context, t train.Task, _ func(train.Progress)) (train.Result, error) {
	data, err := os.ReadFile(t.Base)
	if err != nil {
		return train.Result{}, err
	}
	r.bases.CompareAndSwap(nil, &data)
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
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
