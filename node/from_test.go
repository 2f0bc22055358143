package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/train"
)

// TestFrom: a run goes on from a model of an earlier one, with what that has beside its weights; a site that comes later fetches
// all of it, though the earlier run is over.
func TestFrom(t *testing.T) {
	t.Parallel()
	path, mask := counted(t)
	sites := newTestMesh(t, 4, func(_, config string) string { return config + "keep_models: 1\n" })
	upAll(sites[:3])
	a, d := sites[0], sites[3]
	first, err := a.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "first", Rounds: 4, MinSites: 3}, Model: path})
	if err != nil {
		t.Fatal(err)
	}
	r := a.awaitRounds(first.Run, 4)
	from := func(run, model block.CID) (api.RunReply, error) {
		return a.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "second", Rounds: 2, MinSites: 3}, From: &api.ModelOf{Run: run, Model: model}})
	}
	a.await("the oldest model to be removed", func(*api.Status) bool { return !a.node.jobs.Holds(r.History[0].Model) })
	for want, model := range map[string]block.CID{"keep_models": r.History[0].Model, "is no model of that run": r.Spec.Constants.Tensors()} {
		if _, err := from(first.Run, model); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("from %s: %v, want %q", model, err, want)
		}
	}
	if _, err := from(r.Base, r.History[2].Model); err == nil || !strings.Contains(err.Error(), "model.from: no run") {
		t.Errorf("from no run: %v", err)
	}
	second, err := from(first.Run, r.History[2].Model)
	if err != nil {
		t.Fatal(err)
	}
	a.awaitRounds(second.Run, 2)
	d.up(sites...)
	again := d.awaitRounds(second.Run, 2)
	if again.Spec.Base != r.History[2].Model || !bytes.Equal(again.Spec.Constants.Passed, r.Spec.Constants.Passed) {
		t.Errorf("the second run is %+v", again.Spec)
	}
	d.awaitConstants(again.Spec)
	body, err := d.client.Model(t.Context(), second.Run, again.History[1].Model)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := readAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := tensorsOf(t, data); !bytes.Equal(all["attn.bias"], mask) {
		t.Error("the newcomer has other constants")
	}
}

// still is the synthetic trainer, which from a run of that name on trains nothing: what changes the model then is the outer step.
type still struct {
	train.Synthetic
	name string
}

func (s *still) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if task.Name != s.name || task.Kind != train.Train {
		return s.Synthetic.Run(ctx, task, report)
	}
	data, err := os.ReadFile(task.Base)
	res := train.Result{Update: filepath.Join(task.Dir, "same.safetensors"), Samples: 1}
	return res, errors.Join(err, os.WriteFile(res.Update, data, 0o600))
}

// TestFromWithState: a run that goes on from a model of an earlier one with the same outer step goes on with its state, at every
// site, one that comes later included; with other parameters it begins with none.
func TestFromWithState(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, func(_, config string) string { return config + "keep_updates: true\n" })
	for _, s := range sites {
		s.trainer = &still{name: "second"}
	}
	upAll(sites[:3])
	a, d := sites[0], sites[3]
	nesterov := func(lr string) ledger.Strategy {
		return ledger.NewStrategy(ledger.Method{Outer: "nesterov", Params: map[string]string{"lr": lr}})
	}
	first := a.start(ledger.RunSpec{Name: "first", Rounds: 2, MinSites: 3, Strategy: nesterov("0.5")})
	r := a.awaitRounds(first, 2)
	second := func(lr string) (api.RunReply, api.RunStatus) {
		reply, err := a.client.Start(t.Context(), api.RunRequest{
			Spec: ledger.RunSpec{Name: "second", Rounds: 2, MinSites: 3, Strategy: nesterov(lr)}, From: &api.ModelOf{Run: first, Model: r.History[1].Model},
		})
		if err != nil {
			t.Fatal(err)
		}
		return reply, a.awaitRounds(reply.Run, 2)
	}
	without, none := second("0.25")
	if none.Spec.Strategy.State().Defined() || without.Note != "" || none.History[1].Model != none.Spec.Base {
		t.Errorf("another step begins with a state: %+v, %q", none.Spec.Strategy, without.Note)
	}
	reply, with := second("0.5")
	if !strings.Contains(reply.Note, "goes on with its state") || with.History[0].Model == with.Spec.Base || with.History[1].Model == with.History[0].Model {
		t.Errorf("the momentum of the first run does not move the model: %q, %+v", reply.Note, with.History)
	}
	d.up(sites...)
	if got := d.awaitRounds(reply.Run, 2); got.History[1].Model != with.History[1].Model {
		t.Error("the newcomer has another model")
	}
	for _, s := range sites {
		s.down()
	}
	states := statesAt(t, a.dir)
	if want := with.Spec.Strategy.State(); len(states) != 6 || states[1] != want || states[4] == want {
		t.Errorf("states %v, the second run begins with %v", states, want)
	}
	for i, got := range recomputed(t, a.dir, block.CID{}) {
		if got != (archive.Recomputed{Outcome: archive.Same}) {
			t.Errorf("commit %d recomputed: %+v", i+1, got)
		}
	}
}
