package jobs

import (
	"context"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/train"
)

// absent is a trainer that is to come.
type absent struct{}

func (absent) Run(ctx context.Context, _ train.Task, _ func(train.Progress)) (train.Result, error) {
	<-ctx.Done()
	return train.Result{}, ctx.Err()
}

func (absent) Waiting() string { return "no process is attached" }

// TestQueuedForNobody: a training that waits for its turn says that no process is there, and not only that another run has the turn.
func TestQueuedForNobody(t *testing.T) {
	j := newTestJobs(t, &testHost{}, absent{})
	base := testArtifact(t, j)
	for i, name := range []string{"first", "second"} {
		run := block.Sum(block.DagCBOR, []byte(name))
		j.mu.Lock()
		j.train(runs.Train{Run: run, Spec: &ledger.RunSpec{Name: name}, Round: 1, Opened: uint64(i + 1), Attempt: 1, Base: base})
		j.mu.Unlock()
		eventually(t, name+" says what it waits for", func() bool {
			s, _ := j.Standing(run)
			return s != nil && s.Queued == (i == 1) && s.Waits == "no process is attached"
		})
	}
}
