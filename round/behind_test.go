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
	at := one.height.number
	nilVote := func(s *simSite, kind ledger.Kind) *ledger.Signed {
		return s.sign(kind, &ledger.Vote{Height: at, View: 0})
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
	if three.height.view != 1 || one.height.view != 0 || one.height.step != stepPrecommit {
		t.Fatalf("site 3 is in view %d, site 1 in step %d of view %d", three.height.view, one.height.step, one.height.view)
	}
	e.now += time.Minute
	alone(three)
	e.crash(four)
	e.crash(three)
	e.restart(three)
	e.pass(time.Hour, func() bool { return one.height.view > 0 && two.height.view > 0 })
	if one.height.view == 0 || two.height.view == 0 {
		t.Errorf("stay in view 0: %d of %d precommits", len(one.height.votes(ledger.KindPrecommit, 0).votes), one.roster.Quorum())
	}
}
