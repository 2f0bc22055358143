package node

import (
	"context"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/round"
)

// TestSnapshot: who asks where a site stands is answered while the loop is at work, by what it was after its last step; and what a
// snapshot has told stays as it was.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	s.up()
	run := s.start(ledger.RunSpec{Name: "told", Rounds: 3})
	first := runOf(s.await("a round", func(st *api.Status) bool { return len(runOf(st, run).History) > 0 }), run).History[0]
	s.awaitRounds(run, 3)

	busy, free := make(chan struct{}), make(chan struct{})
	go s.node.box.tell(func(*round.Machine) { close(busy); <-free })
	<-busy
	defer close(free)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	st, err := s.client.Full(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := runOf(st, run)
	if r.Phase != api.PhaseDone || len(r.History) != 3 || st.Sites != 1 || len(r.Takes) != 1 {
		t.Errorf("status while the loop is at work: %+v", r)
	}
	if got := r.History[0]; got.Model != first.Model || got.Took != first.Took || got.Took == 0 {
		t.Errorf("round 1 was told as %+v, and now as %+v", first, got)
	}
	if list, err := s.client.Roster(ctx); err != nil || len(list.Sites) != 1 || !list.Sites[0].Up {
		t.Errorf("roster while the loop is at work: %+v, %v", list, err)
	}
}
