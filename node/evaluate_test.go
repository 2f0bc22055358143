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
	"github.com/weft-mesh/weft/runs"
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

// A site that measures what it trains from tells all of it with its updates; one whose trainer cannot trains all the same.
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
	r := sites[2].awaitRounds(run, 4)
	for i, h := range r.History {
		if got, ok := h.Metrics["a"]["base_val_loss"]; !ok || got != float64(10-i) || h.Metrics["a"]["loss"] == 0 {
			t.Errorf("round %d of a: %v", h.Round, h.Metrics["a"])
		}
		for _, s := range []string{"b", "c"} {
			if _, has := h.Metrics[s]["base_val_loss"]; has || h.Metrics[s]["loss"] == 0 {
				t.Errorf("round %d of %s: %v", h.Round, s, h.Metrics[s])
			}
		}
	}
	for _, s := range sites[:2] {
		s.awaitRounds(run, 4)
	}
	if a.mu.Lock(); !slices.Equal(a.rounds, []uint64{0, 1, 2, 3}) {
		t.Errorf("measured of rounds %v, want each once", a.rounds)
	}
	a.mu.Unlock()

	got, err := sites[0].client.Evaluate(t.Context(), run, r.History[3].Model)
	if err != nil || got.Round != 4 || got.Samples != 7 || !maps.Equal(got.Metrics, map[string]float64{"val_loss": 6}) {
		t.Errorf("the last model: %+v, %v", got, err)
	}
	sites[0].await("the oldest model to be removed", func(*Status) bool { return !sites[0].node.store.Has(r.History[0].Model) })
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

func TestWithBase(t *testing.T) {
	own := map[string]float64{"base_loss": 1}
	for i := range maxMetrics - 2 {
		own[string(rune('a'+i))] = 1
	}
	got := withBase(own, map[string]float64{"base_loss": 2, "base_val_loss": 3, "base_z": 4, strings.Repeat("x", maxMetricName+1): 5})
	if len(got) != maxMetrics || got["base_loss"] != 1 || got["base_val_loss"] != 3 {
		t.Errorf("%v", got)
	}
}

// A model that is due to be removed is kept while an evaluation waits for the trainer, and one that has gone is not fetched.
func TestEvaluateKeeps(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	sites[0].trainer = &measurer{}
	upAll(sites)
	s := sites[0]
	run := s.start(ledger.RunSpec{Name: "kept", Rounds: 1, MinSites: 2})
	model := s.awaitRounds(run, 1).History[0].Model
	s.node.jobs.trainer <- struct{}{} // as if it trained for another run
	training := &training{job: runs.Train{Base: model}, done: make(chan struct{})}
	s.node.jobs.mu.Lock()
	s.node.jobs.training[model] = training // for which its removal waits already
	s.node.jobs.mu.Unlock()
	for _, m := range s.node.index.remove(func(m block.CID, _ use) bool { return m == model }) { // as for models beyond keep_models
		s.node.jobs.discard(m)
	}
	ended := make(chan error)
	go func() { _, err := s.client.Evaluate(t.Context(), run, model); ended <- err }()
	s.await("the evaluation to wait", func(*Status) bool {
		s.node.jobs.mu.Lock()
		defer s.node.jobs.mu.Unlock()
		return len(s.node.jobs.evaluating) == 1
	})
	s.node.jobs.mu.Lock()
	delete(s.node.jobs.training, model)
	close(training.done)
	s.node.jobs.mu.Unlock()
	<-s.node.jobs.trainer
	if err := <-ended; err != nil {
		t.Errorf("an evaluation whose model is removed meanwhile: %v", err)
	}
	s.await("the model to be removed", func(*Status) bool { return !s.node.holds(model) })
	if _, err := s.client.Evaluate(t.Context(), run, model); err == nil || !strings.Contains(err.Error(), "not held") {
		t.Errorf("a model that has gone: %v", err)
	}
}
