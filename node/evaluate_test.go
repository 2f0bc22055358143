package node

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

// measurer is the synthetic trainer, which notes what it is asked to measure, and may fail at that.
type measurer struct {
	train.Synthetic
	fails error

	mu     sync.Mutex
	rounds []uint64
}

func (g *measurer) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if task.Kind != train.Evaluate {
		return g.Synthetic.Run(ctx, task, report)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rounds = append(g.rounds, task.Round)
	return train.Result{Samples: 7, Metrics: map[string]float64{"val_loss": float64(10 - task.Round)}}, g.fails
}

// A site that measures models tells all of it, of the last one too, and its figures stand with the model that they are of; one
// whose trainer cannot trains all the same.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, func(name, config string) string {
		if name != "c" {
			config += "evaluate: true\n"
		}
		return config
	})
	a, b := &measurer{}, &measurer{fails: errors.New("no data to judge by")}
	sites[0].trainer, sites[1].trainer = a, b
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "judged", Rounds: 4, MinSites: 3})
	for _, s := range sites {
		s.awaitRounds(run, 4)
		s.await("the last model's figures", func(st *api.Status) bool { return !runOf(st, run).Unmeasured })
	}
	r := sites[2].awaitRounds(run, 4)
	for round := range uint64(5) {
		of := r.Measured(round)
		if v, has := of["a"]["val_loss"]; !has || v != float64(10-round) || len(of) != 1 {
			t.Errorf("of the model of round %d: %v", round, of)
		}
	}
	if len(r.Figures) != 5 || r.Figures[4].Model != r.History[3].Model || r.Figures[0].Model != r.Spec.Base || r.Best != nil {
		t.Errorf("figures %+v, best %+v", r.Figures, r.Best)
	}
	if a.mu.Lock(); !slices.Equal(a.rounds, []uint64{0, 1, 2, 3, 4}) {
		t.Errorf("measured of rounds %v, want each once", a.rounds)
	}
	a.mu.Unlock()

	got, err := sites[0].client.Evaluate(t.Context(), run, r.History[3].Model)
	if err != nil || got.Round != 4 || got.Samples != 7 || !maps.Equal(got.Metrics, map[string]float64{"val_loss": 6}) {
		t.Errorf("the last model: %+v, %v", got, err)
	}
	sites[0].await("the oldest model to be removed", func(*api.Status) bool { return !sites[0].node.store.Has(r.History[0].Model) })
	for what, c := range map[string]struct {
		site       *testSite
		run, model block.CID
		want       string
	}{
		"a failing trainer":      {sites[1], run, r.History[3].Model, "the trainer fails: no data to judge by"},
		"no run":                 {sites[0], r.Base, r.Base, "no run"},
		"another run's model":    {sites[0], run, run, "is no model of that run"},
		"what is no longer kept": {sites[0], run, r.History[0].Model, "not held"},
	} {
		_, err := c.site.client.Evaluate(t.Context(), c.run, c.model)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
