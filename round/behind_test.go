package round

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// TestVotesBehind: a vote of site 4, which falls silent then, lets site 3 alone leave view 0. Having voted in
// view 1, site 3 restarts and has forgotten it. The others still wait in view 0 for a third vote.
func TestVotesBehind(t *testing.T) {
	e, _ := openedEnv(t, 1)
	one, two, three, four := e.sites[0], e.sites[1], e.sites[2], e.sites[3]
	at := one.consensus.Number()
	nilVote := func(s *simSite, kind ledger.Kind) *ledger.Signed {
		return s.out.Sign(kind, &ledger.Vote{Height: at, View: 0})
	}
	alone := func(s *simSite) { // its timeout passes, and nobody hears of it
		e.step(s, Alarm{})
		e.wire = nil
	}
	for _, s := range []*simSite{one, two} {
		e.tell(s, nilVote(four, ledger.KindPrevote))
	}
	e.now += time.Minute
	alone(one)
	alone(two)
	e.tell(one, nilVote(two, ledger.KindPrevote))
	e.tell(two, nilVote(one, ledger.KindPrevote))
	e.wire = nil
	for _, s := range []*simSite{one, two, four} {
		e.tell(three, nilVote(s, ledger.KindPrecommit))
	}
	e.wire = nil
	if three.View() != 1 || one.View() != 0 || one.consensus.Snapshot().Step != "precommit" {
		t.Fatalf("site 3 is in view %d, site 1 in step %s of view %d", three.View(), one.consensus.Snapshot().Step, one.View())
	}
	e.now += time.Minute
	alone(three)
	e.crash(four)
	e.crash(three)
	e.restart(three)
	e.pass(time.Hour, func() bool { return one.View() > 0 && two.View() > 0 })
	if one.View() == 0 || two.View() == 0 {
		t.Errorf("stay in view 0: %d votes, a quorum is %d", one.Footprint().Votes.Votes, one.roster().Quorum())
	}
}
