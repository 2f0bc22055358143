package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
)

// newSpoiled starts three sites which train by a script, that of the last sends a number near the end of the range in round 3.
func newSpoiled(t *testing.T) *crash {
	if testing.Short() {
		t.Skip("runs three nodes with Python trainers")
	}
	script, err := filepath.Abs("testdata/spoil.py")
	if err != nil {
		t.Fatal(err)
	}
	python, err := filepath.Abs("../../python")
	if err != nil {
		t.Fatal(err)
	}
	sites := make([]local.Site, 3)
	for i := range sites {
		env := fmt.Sprintf("%q, PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+python)
		if i == 2 {
			env += ", SPOILS=1"
		}
		sites[i].Trainer = fmt.Sprintf("{exec: [python3, %q], env: [%s]}", script, env)
	}
	x := newCrashSites(t, ledger.Byzantine, sites, 12)
	x.start(x.mesh.Nodes...)
	return x
}

// TestTooLong: an update that moves the model out of all proportion fails at its own site, in words, as a non-finite one does; the
// other sites go on, and its next one counts.
func TestTooLong(t *testing.T) {
	t.Parallel()
	x := newSpoiled(t)
	x.openFrom(oneNumber(t), ledger.RunSpec{Name: "held", Rounds: 4, MinSites: 2, Attempts: 1})
	x.await("the site to say why its update is refused", func() bool {
		_, r := x.status(x.mesh.Nodes[2])
		return r != nil && r.Failure != nil && strings.Contains(r.Failure.Text, "too long a change") && strings.Contains(r.Failure.Hint, "max_change")
	})
	x.await("the end", func() bool { return x.least(x.mesh.Nodes) == 4 })
	_, r := x.status(x.mesh.Nodes[0])
	for _, h := range r.History {
		for site, norm := range h.Norms {
			if norm > 2 || h.Shares[site] > 0.5 {
				t.Errorf("round %d: %s has a norm of %g and %g of the weight", h.Round, site, norm, h.Shares[site])
			}
		}
		if len(h.Norms) != len(h.Sites) {
			t.Errorf("round %d: norms %v of the sites %v", h.Round, h.Norms, h.Sites)
		}
	}
}

// TestRewind: in a run that allows it, one site's number ends all training for good. The operator goes back to the round before, and
// from there the run goes on to its end, with one history.
func TestRewind(t *testing.T) {
	t.Parallel()
	x := newSpoiled(t)
	x.openFrom(oneNumber(t), ledger.RunSpec{Name: "spoilt", Rounds: 5, MinSites: 3, Attempts: 1, Bounds: ledger.NewBounds(ledger.Bounded{MaxChange: 1e39})})
	x.await("the honest sites' trainings to fail", func() bool {
		_, r := x.status(x.mesh.Nodes[0])
		return r != nil && len(r.History) == 3 && r.Failure != nil
	})
	_, before := x.status(x.mesh.Nodes[0])
	if w := before.History[2].Warnings(); len(w) != 1 || !strings.Contains(w[0], "times the median") {
		t.Errorf("of the round that one site spoilt people are told %q", w)
	}
	weft := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(x.ctx, "weft", append([]string{"--dir", x.mesh.Nodes[0].Dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("weft %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	out := weft("run", "rewind", "spoilt", "2", "--reason", "round 3 was spoilt")
	for _, want := range []string{"asked the mesh to end run spoilt", "is open"} {
		if !strings.Contains(out, want) {
			t.Errorf("weft run rewind says %q", out)
		}
	}
	s, _ := x.status(x.mesh.Nodes[0])
	x.run = s.Runs[len(s.Runs)-1].ID
	for _, n := range x.mesh.Nodes {
		var r *api.RunStatus
		x.await("the end at "+n.Name, func() bool { _, r = x.status(n); return r != nil && r.Phase == api.PhaseDone })
		if r.Done != 5 || r.Rounds != 5 || len(r.History) != 5 || r.Continues == nil || r.Continues.Before != 2 || r.Began() != before.Spec.Base {
			t.Fatalf("%s: %d of %d rounds, %d told, continues %+v", n.Name, r.Done, r.Rounds, len(r.History), r.Continues)
		}
		for i, h := range r.History {
			if h.Round != uint64(i)+1 || (h.Model == before.History[i%3].Model) != (i < 2) {
				t.Errorf("%s: round %d is told as %d, with model %s", n.Name, i+1, h.Round, h.Model)
			}
		}
		if stopped := findRun(mustStatus(x, n), before.ID.String()); stopped.Phase != api.PhaseStopped || !strings.Contains(stopped.Stop, "rewound to round 2: round 3 was spoilt") {
			t.Errorf("%s: the run that was rewound is %s, %s", n.Name, stopped.Phase, stopped.Stop)
		}
	}
	if csv := weft("run", "history", x.run.String(), "--csv"); strings.Count(csv, "\n") != 1+5*3 {
		t.Errorf("the history:\n%s", csv)
	}
	file := filepath.Join(t.TempDir(), "m.safetensors")
	for _, round := range []string{"0", "2", "5"} { // also of the earlier run's
		weft("model", "export", round, "--run", x.run.String(), "-o", file+round)
	}
	if out := weft("run", "rewind", x.run.String(), "1"); !strings.Contains(out, "is open: 5 rounds") { // once more, to a round of the first
		t.Errorf("a second rewind says %q", out)
	}
}

func mustStatus(x *crash, n *local.Node) *api.Status { s, _ := x.status(n); return s }
