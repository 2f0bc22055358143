package real

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/trace"
)

// read takes what the nodes have traced, and begins the faults that waited for a round.
func (run *runner) read() error {
	for i, t := range run.tails {
		events, err := t.read()
		if err != nil {
			return fmt.Errorf("trace of %s: %w", run.nodes[i].Name, err)
		}
		for _, e := range events {
			run.result.Trace = append(run.result.Trace, scenarios.Line{At: max(0, e.Time.Sub(run.begun)), Site: i, Event: e.Event})
			if t, ok := e.Event.(trace.TrainingStarted); ok {
				run.round = max(run.round, t.Round)
			}
		}
	}
	run.waits = slices.DeleteFunc(run.waits, func(f *sim.Fault) bool {
		if f.Round > run.round {
			return false
		}
		run.later(run.at()+f.At, run.beginning(f))
		return true
	})
	return nil
}

// check returns an error if a node has ended that should run.
func (run *runner) check() error {
	for _, n := range run.nodes {
		if err := n.Check(); err != nil {
			return err
		}
	}
	return nil
}

// ask has every node say where it stands. One that does not answer is passed over: it may just be starting.
func (run *runner) ask(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	fresh := make([]bool, len(run.nodes))
	for i, n := range run.nodes {
		if run.down[i] > 0 || run.frozen[i] > 0 {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askWait)
			defer cancel()
			if s, err := n.Client.Full(ctx); err == nil {
				run.heard(i, s)
				fresh[i] = true
			}
			run.approve(ctx, n.Client)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if run.see != nil {
		run.see(run.at(), run.result.Last)
	}
	run.result.Done = run.done(fresh)
	if run.config.Strict {
		return run.failure()
	}
	return nil
}

// failure returns why a site's last training failed, if one did.
func (run *runner) failure() error {
	for i, last := range run.result.Last {
		if last == nil {
			continue
		}
		for _, r := range last.Runs {
			if f := r.Failure; f != nil {
				err := fmt.Errorf("%s: %s", run.nodes[i].Name, f.Text)
				if f.Hint == "" {
					return err
				}
				return hint.Add(err, f.Hint)
			}
		}
	}
	return nil
}

// heard takes what a node says of itself. It counts from its start on.
func (run *runner) heard(i int, s *api.Status) {
	if last := run.result.Last[i]; last != nil && !last.Since.Equal(s.Since) {
		run.past[i] = run.result.Blocks[i]
	}
	run.result.Last[i] = s
	run.result.Blocks[i] = Moved{run.past[i].Sent + s.Sent, run.past[i].Received + s.Received}
}

// done reports whether nothing remains to be seen: no fault is to come or to be mended, and every site that is up has
// the last model of the run.
func (run *runner) done(fresh []bool) bool {
	if len(run.todo) > 0 || !run.result.Run.Defined() || !run.fulfilled() {
		return false
	}
	some := false
	for i := range run.nodes {
		if run.down[i] > 0 || run.frozen[i] > 0 {
			continue
		}
		if last := run.result.Last[i]; last != nil && last.Observes {
			continue
		}
		if !fresh[i] || !run.config.Sites[i].Decline && !finished(run.result.Last[i], run.result.Run) {
			return false
		}
		some = true
	}
	return some
}

func finished(s *api.Status, id block.CID) bool {
	for _, r := range s.Runs {
		if r.ID == id {
			last := len(r.History) - 1
			return r.Phase == api.PhaseDone && last >= 0 && r.History[last].Held
		}
	}
	return false
}
