package round

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// proposerOf returns the site that proposes in a view of the current height.
func (e *env) proposerOf(view uint64) *simSite {
	m := e.sites[0].Machine
	i, _ := m.roster().Index(m.roster().Proposer(m.ledger.Head(), view))
	return e.sites[i]
}

// TestPolkaCountsByItself: a proposal proves by the prevotes that it brings that a quorum prevoted its
// entry, whatever else a receiver has had of one of them.
func TestPolkaCountsByItself(t *testing.T) {
	e, r := openedEnv(t, 1)
	var updates []*ledger.Signed
	for _, s := range e.sites[:3] {
		updates = append(updates, e.offer(s, r, 1, s.self.String()))
	}
	seal := e.sealOf(r, updates...)
	liar, proposer := e.proposerOf(0), e.proposerOf(1)
	var voter *simSite
	var polka []ledger.Signed
	for _, s := range e.sites {
		switch {
		case s != liar && s != proposer && voter == nil:
			voter = s
		default:
			polka = append(polka, *s.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: seal.Height, View: 0, Entry: seal.CID()}))
		}
	}
	// The voter holds an update that the seal leaves out: by itself it would wait for its deadline.
	e.tell(voter, e.offer(e.sites[3], r, 1, "left out"))
	nilVote := func(s *simSite, kind ledger.Kind) *ledger.Signed {
		return s.out.Sign(kind, &ledger.Vote{Height: seal.Height, View: 0})
	}
	e.tell(voter, nilVote(liar, ledger.KindPrevote)) // its other vote
	for _, s := range e.sites {
		e.tell(voter, nilVote(s, ledger.KindPrecommit)) // and so on to view 1
	}
	if voter.View() != 1 {
		t.Fatalf("in view %d", voter.View())
	}
	proposal := func(polka []ledger.Signed) *ledger.Signed {
		return proposer.out.Sign(consensus.KindProposal, &consensus.Proposal{Height: seal.Height, View: 1, ValidView: 0, Entry: seal.Block().Data, Polka: polka})
	}
	voted := func() block.CID {
		return voter.consensus.Snapshot().Voted[consensus.Vote{Kind: ledger.KindPrevote, View: 1}]
	}
	twice := append(polka[:2:2], polka[1])
	for name, less := range map[string][]ledger.Signed{"two prevotes": polka[:2], "one twice": twice} {
		if e.tell(voter, proposal(less)); voter.consensus.Snapshot().Proposals[1].Defined() {
			t.Errorf("%s pass for a quorum", name)
		}
	}
	if e.tell(voter, proposal(polka)); voter.consensus.IsReady(seal.CID()) {
		t.Error("ready for a seal that leaves an update out")
	}
	if voted() != seal.CID() {
		t.Errorf("prevotes %v, want the seal that a quorum has prevoted", voted())
	}
	if len(voter.Named()) != 1 || voter.Named()[0] != liar.self {
		t.Errorf("names %v", voter.Named())
	}
}

// TestFarViewsAreNotKept: no vote is so far ahead that it counts as near.
func TestFarViewsAreNotKept(t *testing.T) {
	e, _ := openedEnv(t, 1)
	one := e.sites[0]
	for _, view := range []uint64{math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64, math.MaxInt64 + 1, consensus.MaxViewsAhead + 1} {
		for _, kind := range []ledger.Kind{ledger.KindPrevote, ledger.KindPrecommit} {
			e.tell(one, e.sites[3].out.Sign(kind, &ledger.Vote{Height: one.consensus.Number(), View: view}))
		}
	}
	e.tell(one, e.sites[3].out.Sign(ledger.KindPrevote, &ledger.Vote{Height: one.consensus.Number(), View: consensus.MaxViewsAhead}))
	if n := one.consensus.Snapshot().Views; n != 3 { // prevotes of two, and precommits of view 0, which is looked at
		t.Errorf("votes of %d views and kinds are kept", n)
	}
}

// TestEarlyMessagesByAuthor: who sends much for heights to come pushes out none of another's messages.
func TestEarlyMessagesByAuthor(t *testing.T) {
	e, _ := openedEnv(t, 1)
	one := e.sites[0]
	next := one.consensus.Number() + 1
	e.tell(one, e.sites[1].out.Sign(ledger.KindPrevote, &ledger.Vote{Height: next}))
	for view := range uint64(100 * maxEarly) {
		e.tell(one, e.sites[3].out.Sign(ledger.KindPrevote, &ledger.Vote{Height: next, View: view}))
	}
	of := map[string]int{}
	for _, r := range one.early.list {
		of[one.roster().Name(r.Message.Statement.From)]++
	}
	if of["2"] != 1 || of["4"] != maxEarly {
		t.Errorf("kept by author: %v", of)
	}
}

// TestIdleViewsCostNothing: one liar's vote opens a height in which nobody has anything to propose.
// However many views pass, what comes to be decided then is decided as quickly as ever.
func TestIdleViewsCostNothing(t *testing.T) {
	e, r := openedEnv(t, 1)
	liar := e.sites[3]
	e.step(liar, runs.Considered{Run: r.ID, Accept: false})
	e.stabilize()
	e.crash(liar)
	height := e.sites[0].consensus.Number()
	for _, s := range e.sites[:3] {
		e.tell(s, liar.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: height}))
	}
	e.pass(20*time.Minute, func() bool { return false })
	one := e.sites[0]
	if one.View() < 10 || one.consensus.Snapshot().Ripe {
		t.Fatalf("in view %d", one.View())
	}
	if kept := len(one.consensus.Snapshot().Voted); kept > 8 {
		t.Errorf("%d own votes of views long past are kept", kept)
	}
	e.pass(time.Hour, func() bool { return e.proposerOf(one.View()) == liar && one.consensus.Snapshot().Step == "propose" })
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.pass(time.Hour, func() bool { return one.consensus.Snapshot().Ripe })
	ripe := e.now
	e.pass(time.Hour, func() bool { return one.ledger.Height() >= height })
	if took := e.now - ripe; took > 10*e.timing.Propose || one.consensus.Snapshot().Pace > 4*e.timing.Propose {
		t.Errorf("a decision took %v after the idle views, and view 0 now waits %v", took, one.consensus.Snapshot().Pace)
	}
}

// TestNobodyIsLeftOut: a seal gets no prevote while a quorum is ready for one that lists more sites, however
// late it is; once a quorum has prevoted it, it does.
func TestNobodyIsLeftOut(t *testing.T) {
	e, r := openedEnv(t, 1)
	proposer := e.proposerOf(0)
	var voter *simSite
	var updates []*ledger.Signed
	for _, s := range e.sites {
		if s != proposer {
			voter = s
		}
		updates = append(updates, e.offer(s, r, 1, s.self.String()))
	}
	less, all := e.sealOf(r, updates[:3]...), e.sealOf(r, updates...)
	e.now += time.Hour
	for _, s := range e.sites {
		for _, x := range []*ledger.Entry{less, all} {
			e.tell(voter, s.out.Sign(consensus.KindReady, &consensus.Ready{Height: x.Height, Entry: x.CID(), Data: x.Block().Data}))
		}
	}
	e.now += time.Hour // past its own deadline
	e.step(voter, Alarm{})
	if !voter.consensus.IsReady(less.CID()) || !voter.consensus.IsReady(all.CID()) {
		t.Fatal("not ready for both")
	}
	for _, s := range e.sites { // time has ended a view or two
		for v := voter.View(); v < 4; v++ {
			e.tell(voter, s.out.Sign(ledger.KindPrecommit, &ledger.Vote{Height: less.Height, View: v}))
		}
	}
	if voter.View() != 4 || voter.consensus.Snapshot().Step != "propose" {
		t.Fatalf("view %d step %s", voter.View(), voter.consensus.Snapshot().Step)
	}
	voted := func(kind ledger.Kind) (block.CID, bool) {
		v, ok := voter.consensus.Snapshot().Voted[consensus.Vote{Kind: kind, View: 4}]
		return v, ok
	}
	e.tell(voter, proposer.out.Sign(consensus.KindProposal, &consensus.Proposal{Height: less.Height, View: 4, ValidView: -1, Entry: less.Block().Data, Polka: []ledger.Signed{}}))
	if !voter.consensus.Snapshot().Proposals[4].Defined() {
		t.Fatal("no proposal")
	}
	if _, ok := voted(ledger.KindPrevote); ok {
		t.Error("it votes for the seal that leaves one out")
	}
	for _, s := range e.sites {
		if s != voter {
			e.tell(voter, s.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: less.Height, View: 4, Entry: less.CID()}))
		}
	}
	e.now += time.Hour
	e.step(voter, Alarm{})
	if v, ok := voted(ledger.KindPrecommit); !ok {
		t.Error("no precommit although a quorum has prevoted")
	} else if v != less.CID() {
		t.Errorf("precommits %v", v)
	}
}

// TestManyCandidates: a site that comes late hears of many candidates from one other, which is no lie of
// that one. What a site may have others keep is bounded all the same, and whoever it spoke of first, others
// are heard about it.
func TestManyCandidates(t *testing.T) {
	e, r := openedEnv(t, 1)
	one, two, three := e.sites[0], e.sites[1], e.sites[2]
	at, most := one.consensus.Number(), consensus.MaxTold+2*one.roster().Len()
	var named []block.CID
	for i := range byte(200) {
		named = append(named, block.Sum(block.DagCBOR, []byte{i}))
		one.Step(e.now, Received{two.self, &Message{Attempt: 1, Statement: two.out.Sign(consensus.KindReady, &consensus.Ready{Height: at, Entry: named[i]})}, 0})
	}
	for i := range 3 * consensus.MaxTold {
		seal := e.sealOf(r, e.offer(two, r, 1, fmt.Sprint("a", i)), e.offer(e.sites[3], r, 1, "b"), e.offer(three, r, 1, "c"))
		one.Step(e.now, Received{three.self, &Message{Attempt: 1, Statement: three.out.Sign(consensus.KindReady, &consensus.Ready{Height: at, Entry: seal.CID(), Data: seal.Block().Data})}, 0})
	}
	for _, x := range one.Ready().Trace {
		if _, refused := x.(trace.Rejected); refused {
			t.Errorf("rejected: %s", x.Text())
		}
	}
	known := 0
	for _, c := range one.consensus.Snapshot().Candidates {
		if c.Entry != nil {
			known++
		}
	}
	if n := len(one.consensus.Snapshot().Candidates); n != 2*most || known != consensus.MaxTold {
		t.Errorf("keeps %d candidates and %d of their entries, want %d and %d", n, known, 2*most, consensus.MaxTold)
	}
	e.tell(one, three.out.Sign(consensus.KindReady, &consensus.Ready{Height: at, Entry: named[0]}))
	if !one.consensus.Snapshot().Candidates[named[0]].Ready[three.self] {
		t.Error("site 3 is not heard")
	}
}
