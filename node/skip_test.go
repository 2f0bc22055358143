package node

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/train"
)

// skipper is the synthetic trainer, which has nothing to give in a round as often as it is asked so many times.
type skipper struct {
	train.Synthetic
	round uint64
	often atomic.Int64
}

func (g *skipper) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if task.Round == g.round && g.often.Add(-1) >= 0 {
		return train.Result{Skip: "no new cases"}, nil
	}
	return g.Synthetic.Run(ctx, task, report)
}

// A site that skips a round is not awaited in it, is told of with its reason, also when the round is over, and trains on in the
// next one. A round that has too few updates without it says so, and asks it again.
func TestSkip(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, takesTime)
	once, often := &skipper{round: 2}, &skipper{round: 3}
	once.often.Store(1)
	sites[1].trainer = once
	sites[2].trainer = often
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "skipped", Rounds: 2, MinSites: 2, Late: ledger.Drop})
	r := sites[0].awaitRounds(run, 2)
	if got := r.History[0].Skipped; len(got) != 0 {
		t.Errorf("round 1 was skipped by %v", got)
	}
	if got := r.History[1]; strings.Join(got.Sites, "") != "ac" || got.Skipped["b"] != "no new cases" {
		t.Errorf("round 2 is of %v, skipped by %v", got.Sites, got.Skipped)
	}

	often.often.Store(3)
	sites[1].awaitRounds(run, 2)
	run = sites[1].start(ledger.RunSpec{Name: "needed", Rounds: 3, MinSites: 3})
	st := sites[0].await("the skipped round", func(s *api.Status) bool {
		r := runOf(s, run)
		return strings.HasSuffix(r.Waits, "updates: 2 of the 3 needed are here; skipped by c, asked again now and then")
	})
	if got := runOf(st, run).Skipped; got["c"] != "no new cases" {
		t.Errorf("skipped by %v", got)
	}
	sites[2].await("its own word", func(s *api.Status) bool {
		r := runOf(s, run)
		return r.Round == 3 && r.Phase == api.PhaseWaiting && r.Skipped["c"] != ""
	})
	r = sites[0].awaitRounds(run, 3)
	if got := r.History[2]; len(got.Sites) != 3 || len(got.Skipped) != 0 {
		t.Errorf("round 3 is of %v, skipped by %v", got.Sites, got.Skipped)
	}
}
