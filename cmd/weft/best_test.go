package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/scenarios/local"
)

// TestBestModel: four sites choose the best model, one of which lies about what it measures, one comes late and one is killed. All
// end with the same best model, which each still has though it keeps one model only, and with the last one measured.
func TestBestModel(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four nodes with Python trainers")
	}
	t.Parallel()
	script, err := filepath.Abs("testdata/overshoot.py")
	if err != nil {
		t.Fatal(err)
	}
	python, err := filepath.Abs("../../python")
	if err != nil {
		t.Fatal(err)
	}
	sites := make([]local.Site, 4)
	for i := range sites {
		env := fmt.Sprintf("%q, PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+python)
		if i == 2 {
			env += ", LIE=1"
		}
		sites[i] = local.Site{Trainer: fmt.Sprintf("{exec: [python3, %q], env: [%s]}", script, env), Keep: 1, Evaluate: true}
	}
	x := newCrashSites(t, ledger.Byzantine, sites, 11)
	late := x.mesh.Nodes[3]
	x.mesh.Nodes = x.mesh.Nodes[:3]
	x.start(x.mesh.Nodes...)
	by := &ledger.Best{Metric: "gap", Mode: ledger.Min, By: ledger.ByMedian}
	x.openFrom(oneNumber(t), ledger.RunSpec{Name: "overshoot", Rounds: 12, Attempts: 1, Selection: ledger.NewSelection(ledger.Terms{Best: by, StopAfter: 3})})
	x.await("the first round", func() bool { return x.least(x.mesh.Nodes) >= 1 })
	x.mesh.Nodes = append(x.mesh.Nodes, late)
	x.start(late)
	x.await("the second round", func() bool { return x.least(x.mesh.Nodes) >= 2 })
	if err := x.mesh.Nodes[1].Kill(); err != nil {
		t.Fatal(err)
	}
	x.start(x.mesh.Nodes[1])

	var models [][]byte
	for _, n := range x.mesh.Nodes {
		var r *api.RunStatus
		x.await("the end at "+n.Name, func() bool { _, r = x.status(n); return r != nil && r.Phase == api.PhaseDone && !r.Unmeasured })
		if r.Best == nil || r.Best.Round != 2 || !r.Early || r.Done != 6 {
			t.Errorf("%s: best %+v after %d rounds, early: %v", n.Name, r.Best, r.Done, r.Early)
			continue
		}
		if last := r.Measured(6); last["site-1"]["gap"] != 3.75 {
			t.Errorf("%s: of the last model: %v", n.Name, last)
		}
		x.await("the best model at "+n.Name, func() bool {
			body, err := n.Client.Model(x.ctx, r.ID, r.Best.Model)
			if err != nil {
				return false
			}
			defer body.Close()
			data, err := io.ReadAll(body)
			if err == nil {
				models = append(models, data)
			}
			return err == nil
		})
	}
	for i, m := range models {
		if !bytes.Equal(m, models[0]) {
			t.Errorf("the best model of site %d is another", i+1)
		}
	}
	x.check()
	for _, n := range x.mesh.Nodes {
		report, err := archive.Verify(n.Dir)
		if err != nil || report.Runs[0].Best == nil || report.Runs[0].Best.Round != 2 {
			t.Errorf("%s: verified: %+v, %v", n.Name, report.Runs, err)
		}
	}
}

// oneNumber writes a model of one number, 0.
func oneNumber(t *testing.T) string {
	head := `{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	data := append([]byte{byte(len(head)), 0, 0, 0, 0, 0, 0, 0}, head...)
	path := filepath.Join(t.TempDir(), "base.safetensors")
	if err := os.WriteFile(path, append(data, 0, 0, 0, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
