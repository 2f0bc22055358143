package try

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
)

// pollEvery is the time between two looks at the nodes.
const pollEvery = 100 * time.Millisecond

// follow shows the run until every site has ended it, and returns their last status.
func (t *Try) follow(ctx context.Context, run block.CID) ([]*api.Status, error) {
	all := make([]*api.Status, len(t.mesh.Nodes))
	for {
		ended, committed := 0, 0
		for i := range t.mesh.Nodes {
			if t.kills.isDown(i) {
				continue
			}
			st, err := t.look(ctx, i)
			if err != nil {
				return nil, err
			}
			all[i] = st
			r := runOf(st, run)
			if err := t.trouble(i, r); err != nil {
				return nil, err
			}
			if r != nil {
				committed = max(committed, len(r.History))
			}
			if t.hasEnded(r) {
				ended++
			}
			if t.kills.due(i, r) {
				t.Screen.event("%s is killed (kill -9) while it trains in round %d", t.mesh.Nodes[i].Name, r.Trains)
				if err := t.mesh.Nodes[i].Kill(); err != nil {
					return nil, err
				}
			}
		}
		t.Screen.update(run, all, t.kills)
		if ended == len(all) {
			return all, nil
		}
		if err := t.restart(ctx, t.kills.back(committed)); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// look asks a site's node where it stands.
func (t *Try) look(ctx context.Context, i int) (*api.Status, error) {
	n := t.mesh.Nodes[i]
	if err := n.Check(); err != nil {
		return nil, err
	}
	st, err := n.Client.Full(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", n.Name, err)
	}
	return st, nil
}

// trouble says what ends a try early.
func (t *Try) trouble(i int, r *api.RunStatus) error {
	switch {
	case r == nil:
		return nil // not open there yet
	case r.Failure != nil:
		return &ScriptError{t.mesh.Nodes[i].Name, r.Failure.Text, r.Failure.Hint}
	case r.Phase == api.PhaseStopped || r.Phase == api.PhaseDeclined:
		return fmt.Errorf("the run is %s at %s", r.Phase, t.mesh.Nodes[i].Name)
	}
	return nil
}

// hasEnded reports whether a site has all rounds of the run, and holds the last model, and knows what was measured of it.
func (t *Try) hasEnded(r *api.RunStatus) bool {
	n := int(t.cfg.Run.Rounds)
	return r != nil && r.Phase == api.PhaseDone && len(r.History) == n && r.History[n-1].Held && !r.Unmeasured
}

// restart starts sites again that were killed.
func (t *Try) restart(ctx context.Context, sites []int) error {
	for _, i := range sites {
		t.Screen.event("%s is started again", t.mesh.Nodes[i].Name)
		if err := t.start(ctx, t.mesh.Nodes[i]); err != nil {
			return err
		}
	}
	return nil
}

func runOf(s *api.Status, id block.CID) *api.RunStatus {
	for i := range s.Runs {
		if s.Runs[i].ID == id {
			return &s.Runs[i]
		}
	}
	return nil
}
