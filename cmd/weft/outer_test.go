package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/trace"
)

// committed is what a round ended with.
type committed struct{ model, state block.CID }

// commits returns what the rounds of the run ended with.
func (x *crash) commits() (list []committed) {
	x.t.Helper()
	entries, err := ledgerEntries(x.ctx, x.mesh.Nodes[0].Client, 1, 0)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, e := range entries {
		if c := ledger.As[ledger.Commit](e.Entry); c != nil && c.Run == x.run {
			list = append(list, committed{c.Model, c.State})
		}
	}
	return list
}

// each does something to every node.
func (x *crash) each(do func(n *local.Node) error) {
	x.t.Helper()
	for _, n := range x.mesh.Nodes {
		if err := do(n); err != nil {
			x.t.Fatalf("%s: %v", n.Name, err)
		}
	}
}

// TestNesterovCrash: all sites are killed in round 3 of a run whose outer step has a state, at three moments, and end each round with
// the very model and state of the same mesh left alone.
func TestNesterovCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a run twice, and kills it")
	}
	t.Parallel()
	const rounds = 5
	x := newCrashMesh(t, ledger.Byzantine, 3, 7, "{synthetic: {bytes: 300kB, time: 500ms}}")
	x.open(ledger.RunSpec{
		Name: "diloco", Rounds: rounds, MinSites: 3, Attempts: 1, Strategy: ledger.NewStrategy(ledger.Method{Outer: "nesterov"}),
	})
	x.await("all to take part", func() bool {
		_, r := x.status(x.mesh.Nodes[0])
		return r != nil && len(r.Takes) == 3
	})
	x.each((*local.Node).Kill)
	x.each(func(n *local.Node) error {
		return errors.Join(os.RemoveAll(filepath.Join(n.Dir, api.SocketName)), os.CopyFS(n.Dir+".before", os.DirFS(n.Dir)),
			os.Chmod(filepath.Join(n.Dir+".before", site.KeyFile), 0o600))
	})

	x.start(x.mesh.Nodes...)
	x.await("the rounds, left alone", func() bool { return x.least(x.mesh.Nodes) == rounds })
	want := x.commits()
	x.each((*local.Node).Kill)
	x.each(func(n *local.Node) error { return errors.Join(os.RemoveAll(n.Dir), os.Rename(n.Dir+".before", n.Dir)) })

	begun := time.Now()
	x.start(x.mesh.Nodes...)
	for _, at := range []killAt{
		{api.PhaseTraining, func(e *api.Event) bool { s, ok := e.Event.(trace.TrainingStarted); return ok && s.Round == 3 }},
		{api.PhaseReducing, func(e *api.Event) bool { s, ok := e.Event.(trace.ReductionStarted); return ok && s.Round == 3 }},
		{api.PhaseCommitting, func(e *api.Event) bool { // or the others have, before they were killed
			reduced, ok := e.Event.(trace.Reduced)
			decided, commits := e.Event.(trace.Decided)
			return ok && reduced.Round == 3 || commits && decided.Decision.Kind == "commit" && decided.Decision.Round == 3
		}},
	} {
		x.waitFor(x.mesh.Nodes[0], at, begun)
		x.each((*local.Node).Kill)
		x.t.Logf("all killed while %s, after %q", at.phase, lastWord(x.mesh.Nodes[0]))
		begun = time.Now()
		x.start(x.mesh.Nodes...)
	}
	x.await("the rounds, with all killed in the third", func() bool { return x.least(x.mesh.Nodes) == rounds })
	got := x.commits()
	if len(want) != rounds || !slices.Equal(got, want) {
		t.Errorf("after kills\n%v, left alone\n%v", got, want)
	}
	for i, c := range want {
		if !c.state.Defined() || i > 0 && c.state == want[i-1].state {
			t.Errorf("round %d ends with state %s", i+1, c.state)
		}
	}
}
