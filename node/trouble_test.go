package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/train"
)

// breaker is the synthetic trainer while it works.
type breaker struct {
	train.Synthetic
	broken atomic.Bool
}

func (b *breaker) Run(ctx context.Context, task train.Task, report func(train.Progress)) (train.Result, error) {
	if b.broken.Load() {
		return train.Result{}, errors.New("cannot read /data/patients.csv")
	}
	return b.Synthetic.Run(ctx, task, report)
}

// What goes wrong at a site is told at the others, by class, with the words that its operator shares and no others; the round's
// history says so when the run is over, after a restart, and without a node.
func TestTroubleTravels(t *testing.T) {
	t.Parallel()
	for _, shares := range []bool{false, true} {
		sites := newTestMesh(t, 3, func(name, config string) string {
			if name == "c" && shares {
				config += "\nshare_errors: true\n"
			}
			return takesTime(name, config)
		})
		broken := &breaker{}
		broken.broken.Store(true)
		sites[2].trainer = broken
		upAll(sites)
		run := sites[0].start(ledger.RunSpec{Name: "troubled", Rounds: 2, MinSites: 2, Late: ledger.Drop})
		text := ""
		if shares {
			text = "cannot read /data/patients.csv"
		}
		r := sites[0].awaitRounds(run, 2)
		isTold := func(told map[string]api.Trouble) bool {
			return len(told) == 1 && slices.Equal(told["c"].Classes, []ledger.TroubleClass{ledger.TrainingFails}) && strings.Contains(told["c"].Text, text) && (shares || told["c"].Text == "")
		}
		if !isTold(r.History[1].Troubles) {
			t.Errorf("the history says %v", r.History[1].Troubles)
		}
		sites[0].down()
		a, err := archive.Open(sites[0].dir)
		if err != nil {
			t.Fatal(err)
		}
		st, err := a.Status(t.Context())
		if err != nil || !isTold(st.Runs[0].History[1].Troubles) {
			t.Errorf("without a node the history says %v (%v)", st.Runs[0].History[1].Troubles, err)
		}
		sites[0].up(sites...)
		if r := sites[0].awaitRounds(run, 2); !isTold(r.History[1].Troubles) {
			t.Errorf("after a restart the history says %v", r.History[1].Troubles)
		}
	}
}

// A round that waits for a site whose training fails says so, as long as it does.
func TestWaitsForTrouble(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, takesTime)
	broken := &breaker{}
	broken.broken.Store(true)
	sites[2].trainer = broken
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "needed", Rounds: 1, MinSites: 3})
	sites[0].await("why it waits", func(s *api.Status) bool {
		return strings.HasSuffix(runOf(s, run).Waits, "updates: 2 of the 3 needed are here; none yet from c (its training fails)")
	})
	broken.broken.Store(false)
	if r := sites[0].awaitRounds(run, 1); len(r.History[0].Troubles) > 0 {
		t.Errorf("the history of a round with all updates says %v", r.History[0].Troubles)
	}
}
