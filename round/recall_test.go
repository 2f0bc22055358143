package round

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
)

// votedEnv is a mesh in which site 1 has prevoted at height 1, which is still open: sites 3 and 4 are down. It returns what
// the log of site 1 was before it voted.
func votedEnv(t *testing.T) (e *env, one *simSite, before []Record) {
	e = newEnv(t, 4, ledger.Byzantine)
	one = e.sites[0]
	before = slices.Clone(one.log)
	e.open(e.spec(1))
	for range 200 { // until site 2 has its vote
		if len(e.wire) == 0 || slices.ContainsFunc(consensus.SaidBy(e.sites[1].consensus, one.self), func(s *ledger.Signed) bool { return s.Kind == ledger.KindPrevote }) {
			break
		}
		e.deliver(0)
	}
	if len(consensus.SaidBy(e.sites[1].consensus, one.self)) == 0 || one.ledger.Height() > 0 {
		t.Fatal("site 1 has not voted, or the height is over")
	}
	e.wire = nil
	e.crash(e.sites[2])
	e.crash(e.sites[3])
	e.crash(one)
	return e, one, before
}

func notYet() bool { return false }

// voted returns how many votes and proposals a log has.
func voted(log []Record) (n int) {
	for _, r := range log {
		if r.Statement != nil && (r.Statement.Kind == ledger.KindPrevote || r.Statement.Kind == ledger.KindPrecommit) {
			n++
		}
	}
	return n
}

// TestRecalledVote: a site that is put back to before its vote hears of it, falls silent, over a crash too, and votes again two
// heights later. Nobody is named.
func TestRecalledVote(t *testing.T) {
	e, one, before := votedEnv(t)
	one.log = before
	e.restart(one)
	e.restart(e.sites[2])
	e.stabilize()
	if !one.voice.Muted() {
		t.Fatal("it does not know that it has voted")
	}
	e.crash(one)
	e.restart(one)
	e.stabilize()
	if !one.voice.Muted() || voted(one.log) > 0 {
		t.Fatalf("after a crash it votes: muted %v, %d votes", one.voice.Muted(), voted(one.log))
	}
	e.restart(e.sites[3])
	e.pass(10*time.Minute, func() bool {
		for _, s := range e.sites {
			e.trained(s)
		}
		return one.ledger.Height() >= 3 && one.ledger.Height() == e.sites[1].ledger.Height()
	})
	e.stabilize()
	if one.voice.Muted() {
		t.Errorf("still silent at height %d", one.ledger.Height())
	}
	for _, s := range e.sites {
		if len(s.Named()) > 0 {
			t.Errorf("site %d names an honest site", s.num)
		}
	}
}

// TestHoldsVotes: a site that has restarted votes once a quorum with it has answered and all who are connected have, or it has
// waited for these; where fewer than a quorum are connected, once it has waited and all of them have answered, and never before
// anybody has. Until then it hears all that is said.
func TestHoldsVotes(t *testing.T) {
	e, one, _ := votedEnv(t)
	e.boot(one)
	e.step(one, Connected{e.sites[1].self})
	logged := voted(one.log)
	e.now += time.Hour
	e.step(one, Alarm{})
	e.now += time.Hour
	e.step(one, Alarm{})
	if voted(one.log) > logged {
		t.Fatal("it votes before anybody has answered")
	}
	e.step(one, Connected{e.sites[2].self})
	nothing := func(from *simSite) {
		e.step(one, Received{from.self, &Message{Said: &Said{Height: 0, List: []ledger.Signed{}}}, 0})
	}
	nothing(e.sites[1])
	if !one.voice.Held() {
		t.Error("one answer of two who are connected is enough")
	}
	nothing(e.sites[2])
	if one.voice.Held() {
		t.Error("a quorum has answered, and it waits on")
	}
	if one.voice.Muted() || !one.voice.MayOffer() {
		t.Error("it is silent without reason")
	}
}

// TestHoldsBehindAHub: a site that is connected to one other votes once that has answered, and it has waited for the rest.
func TestHoldsBehindAHub(t *testing.T) {
	e, one, _ := votedEnv(t)
	e.boot(one)
	e.step(one, Connected{e.sites[1].self})
	e.step(one, Received{e.sites[1].self, &Message{Said: &Said{Height: 0, List: []ledger.Signed{}}}, 0})
	if !one.voice.Held() {
		t.Error("it does not wait for those who may yet be connected")
	}
	e.now += DefaultTiming().Recall
	e.step(one, Alarm{})
	if one.voice.Held() {
		t.Error("it waits for ever for sites that it is not connected to")
	}
}

// TestHoldsForTheConnected: who is connected and says nothing is waited for, and not for ever.
func TestHoldsForTheConnected(t *testing.T) {
	e, one, _ := votedEnv(t)
	e.boot(one)
	for _, s := range e.sites[1:] {
		e.step(one, Connected{s.self})
	}
	for _, s := range e.sites[1:3] {
		e.step(one, Received{s.self, &Message{Said: &Said{Height: 0, List: []ledger.Signed{}}}, 0})
	}
	if !one.voice.Held() {
		t.Error("it does not wait for site 4, which is connected")
	}
	e.now += DefaultTiming().Recall
	e.step(one, Alarm{})
	if one.voice.Held() || !one.voice.MayOffer() || one.recall.asks {
		t.Error("it waits for site 4 for ever")
	}
}

// TestNothingUnsignedSilences: what others claim of a site without its signature does not matter; nor does an answer of heights
// to come count as one.
func TestNothingUnsignedSilences(t *testing.T) {
	e, one, _ := votedEnv(t)
	e.boot(one)
	two := e.sites[1]
	e.step(one, Connected{two.self})
	vote := two.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: 1, View: 3, Entry: one.ledger.Mesh()})
	vote.From = one.self
	e.tell(one, vote)
	e.step(one, Received{two.self, &Message{Said: &Said{List: []ledger.Signed{*vote}}}, 0})
	if one.voice.Muted() {
		t.Error("a vote that it has not signed silences it")
	}
	if one.recall.told[two.self] {
		t.Error("a false answer counts")
	}
	e.step(one, Received{two.self, &Message{Said: &Said{Height: 7, List: []ledger.Signed{}}}, 0})
	if one.recall.told[two.self] {
		t.Error("the answer of a site that is ahead counts")
	}
	true7 := one.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: 7})
	e.step(one, Received{two.self, &Message{Said: &Said{List: []ledger.Signed{*true7}}}, 0})
	if one.recall.told[two.self] || one.voice.Muted() {
		t.Error("a vote of a height to come is judged now")
	}
}

// TestOlderProgramsAnswerByTheirHeads: a site of a program that knows nothing of this is not waited for.
func TestOlderProgramsAnswerByTheirHeads(t *testing.T) {
	e, one, _ := votedEnv(t)
	e.boot(one)
	for _, s := range e.sites[1:3] {
		e.step(one, Connected{s.self})
		h := s.head()
		h.Protocol = 3
		e.step(one, Received{s.self, &Message{Head: h}, 0})
	}
	if one.voice.Held() {
		t.Error("it waits for answers that do not come")
	}
}

// TestRecalledWords: a site that has forgotten its consent, its stop and its update is given them back, saves them, says them
// again and trains nothing in the update's place.
func TestRecalledWords(t *testing.T) {
	e, r := openedEnv(t, 1)
	two := e.sites[1]
	before := slices.DeleteFunc(slices.Clone(two.log), func(r Record) bool { return r.Statement != nil && r.Statement.Kind == ledger.KindConsent })
	e.trained(two)
	e.step(two, runs.StopRun{Run: r.ID, Reason: "enough"})
	e.stabilize()
	e.crash(two)
	two.log = before
	e.restart(two)
	e.pass(2*time.Second, notYet)
	kinds := map[ledger.Kind]int{}
	for _, rec := range two.log {
		if rec.Statement != nil {
			kinds[rec.Statement.Kind]++
		}
	}
	for _, kind := range []ledger.Kind{ledger.KindConsent, ledger.KindUpdate, ledger.KindStop} {
		if kinds[kind] == 0 {
			t.Errorf("its %s is not in its log", kind)
		}
	}
	if job, trains := two.training[r.ID]; trains && job.Attempt == 1 {
		t.Error("it trains again")
	}
	if list := two.runs.Known(r.ID, two.self); len(list) != 1 || !list[0].Held {
		t.Errorf("%d updates of its own are known, or are not fetched", len(list))
	}
}

// TestRecalledConsent: an operator who decides otherwise after a restore is heard, though the others have an answer of the same serial.
func TestRecalledConsent(t *testing.T) {
	e, r := openedEnv(t, 1)
	four := e.sites[3]
	before := slices.DeleteFunc(slices.Clone(four.log), func(r Record) bool { return r.Statement != nil && r.Statement.Kind == ledger.KindConsent })
	e.crash(four)
	four.log = before
	e.boot(four)
	e.step(four, runs.Considered{Run: r.ID, Accept: false})
	e.connect(four)
	e.pass(3*time.Second, notYet)
	for _, s := range e.sites {
		if s.Participates(r.ID, four.self) {
			t.Errorf("site %d believes that it takes part", s.num)
		}
	}
}

// TestTwoUpdatesAreNoLie: two updates of a site for one place name nobody, and what an older program has kept or says of it is
// no evidence. The first counts.
func TestTwoUpdatesAreNoLie(t *testing.T) {
	e, r := openedEnv(t, 1)
	one, four := e.sites[0], e.sites[3]
	a, b := e.offer(four, r, 1, "a"), e.offer(four, r, 1, "b")
	e.tell(one, a, b)
	e.step(one, Received{e.sites[1].self, &Message{Evidence: &peerlog.Evidence{A: *a, B: *b}}, 0})
	if len(one.Named()) > 0 {
		t.Error("named for two updates")
	}
	if list := one.known(four.self); len(list) != 1 || list[0].Manifest != a.Update().Manifest {
		t.Errorf("%d updates, want the first", len(list))
	}
	one.log = append(one.log, Record{Evidence: &peerlog.Evidence{A: *a, B: *b}})
	e.crash(one)
	e.restart(one)
	if len(one.Named()) > 0 {
		t.Error("named by what an older program has kept")
	}
}

// TestEvidenceLosesItsEffect a thousand heights after the one that it names, restored from a log too; and told then, it has none.
func TestEvidenceLosesItsEffect(t *testing.T) {
	e, r := openedEnv(t, 1)
	one, four := e.sites[0], e.sites[3]
	evidence := &peerlog.Evidence{
		A: *four.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: 2}), B: *four.out.Sign(ledger.KindPrevote, &ledger.Vote{Height: 2, Entry: r.Base}),
	}
	e.tell(one, e.offer(four, r, 1, "a"))
	e.step(one, Received{e.sites[1].self, &Message{Evidence: evidence}, 0})
	if len(one.Named()) != 1 {
		t.Fatal("not named")
	}
	one.proofs.Advance(2 + peerlog.MaxAge)
	if len(one.Named()) != 1 {
		t.Error("its effect ends too early")
	}
	one.proofs.Advance(3 + peerlog.MaxAge)
	if len(one.Named()) > 0 {
		t.Error("its effect does not end")
	}
	one.proofs.Add(evidence)
	one.proofs.Restore(evidence)
	if len(one.Named()) > 0 {
		t.Error("told again, it has an effect again")
	}
}

// FuzzSaid feeds answers of any bytes to a site that waits for them.
func FuzzSaid(f *testing.F) {
	g := testGenesis(4, ledger.Byzantine)
	id := g.Sites[0].ID
	vote := ledger.Sign(g.Block().CID, id, ledger.KindPrevote, &ledger.Vote{Height: 1}, func(b []byte) []byte { return testSign(id, b) })
	f.Add((&Message{Said: &Said{List: []ledger.Signed{*vote}}}).Encode())
	f.Add((&Message{Said: &Said{Height: 3, List: []ledger.Signed{}}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil || m.Said == nil {
			return
		}
		e := newEnv(t, 4, ledger.Byzantine)
		one := e.sites[0]
		e.crash(one)
		e.restart(one)
		e.step(one, Received{e.sites[1].self, m, 0})
		for i := range m.Said.List {
			s := &m.Said.List[i]
			if one.voice.Muted() && (s.From != one.self || !testVerify(s.From, ledger.SigningBytes(one.ledger.Mesh(), s.Kind, s.Body), s.Sig)) && len(m.Said.List) == 1 {
				t.Fatal("what it has not signed silences it")
			}
		}
	})
}

// TestRemovedMeanwhile: a site that has restarted and learns that it was removed asks no more.
func TestRemovedMeanwhile(t *testing.T) {
	e, one, _ := votedEnv(t)
	e.boot(one)
	if !one.recall.asks {
		t.Fatal("it does not ask")
	}
	four := e.sites[3]
	change := &ledger.Change{Remove: &ledger.Site{ID: one.self, Name: "1"}}
	entry := &ledger.Entry{Mesh: one.ledger.Mesh(), Height: 1, Parent: one.ledger.Mesh(), Body: &ledger.Changed{Change: *change}}
	one.decideAlone(entry)
	e.step(one, Connected{four.self})
	if one.recall.asks || one.voice.Held() || !one.voice.MayOffer() {
		t.Error("an observer asks for what it has said")
	}
}
