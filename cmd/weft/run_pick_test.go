package main

import (
	"context"
	"errors"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// toldReader knows a status and nothing else.
type toldReader struct {
	reader
	status api.Status
}

func (r toldReader) Status(context.Context) (*api.Status, error) { return &r.status, nil }

// TestPickWatched: a run can be watched before it is open, and one that is open comes first.
func TestPickWatched(t *testing.T) {
	id := func(s string) block.CID { return block.Of(s).CID }
	waits := []api.AskedRun{{Run: id("waits"), Spec: &ledger.RunSpec{Name: "waits"}}, {Run: id("too"), Spec: &ledger.RunSpec{Name: "open"}}}
	r := toldReader{status: api.Status{NotOpen: waits, Runs: []api.RunStatus{{ID: id("open"), Name: "open", Phase: api.PhaseTraining}}}}
	for name, want := range map[string]block.CID{"waits": id("waits"), "open": id("open"), "": id("open"), "none": {}} {
		var args []string
		if name != "" {
			args = []string{name}
		}
		got, err := pickWatched(t.Context(), r, args)
		if got.id != want || (err != nil) != (name == "none") || err != nil && !errors.Is(err, errNoRun) {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	r.status.Runs = nil
	if got, err := pickWatched(t.Context(), r, nil); !errors.Is(err, errNoRun) {
		t.Errorf("of two that wait: %v, %v", got, err)
	}
}
