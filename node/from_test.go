package node

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
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
