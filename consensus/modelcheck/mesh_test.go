package modelcheck

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// mesh is three machines of package round and a liar, all in one hand: nothing arrives, and no time
// passes, unless it is done here. Beside them runs the model.
type mesh struct {
	t       testing.TB
	rng     *rand.Rand
	model   *Model
	states  map[State]bool // that the machines can be in: some steps, as learning of a polka, show only later
	genesis *ledger.Genesis
	opening []int
	ids     [sites]peer.ID // by roster position as the model counts it
	entries map[Vote]*ledger.Entry
	bases   map[Vote]block.CID // holding it is what makes a site ready
	sites   []*site
	decided Vote
	pool    []*ledger.Signed // all that correct sites have sent
	history []string
}

// site is a machine with its log, and what the test knows of it.
type site struct {
	*round.Machine
	*mesh
	position int
	index    int // among the correct sites
	now      time.Duration
	log      []round.Record
	view     int
	cut      bool // it is to crash between a lock and the precommit
	eager    bool // it is made ready for what it is to vote for
	over     bool // it has decided, or left the views of the model
	said     map[place]*ledger.Signed
	got      map[place]map[peer.ID][]Vote // what each author's votes that it has got are for, in order
	offered  map[int]bool                 // views whose proposal it has
	refused  bool                         // the message that came last
	holds    map[Vote]bool
	wants    map[block.CID]bool
}

var layout = block.Sum(block.DagCBOR, []byte("layout"))

type place struct {
	kind ledger.Kind
	view int
}

// newMesh starts the sites; the liar opens the height with a vote of one of the given views.
func newMesh(t testing.TB, seed uint64, liar int, opening ...int) *mesh {
	m := &mesh{
		t: t, opening: opening, rng: rand.New(rand.NewPCG(seed, uint64(liar))), states: map[State]bool{0: true},
		entries: map[Vote]*ledger.Entry{}, bases: map[Vote]block.CID{},
	}
	var err error
	if m.model, err = New(Config{Views: MaxViews, Liar: liar, Crashes: true, VotesBehind: true}); err != nil {
		t.Fatal(err)
	}
	m.genesis = testGenesis(t, seed)
	for p := range m.ids {
		m.ids[p] = m.genesis.Roster().Proposer(m.genesis.Block().CID, uint64(p))
	}
	for _, v := range entries {
		m.entries[v], m.bases[v] = m.newEntry(v)
	}
	for i, p := range m.model.positions {
		s := &site{mesh: m, position: p, index: i, said: map[place]*ledger.Signed{}, holds: map[Vote]bool{}}
		m.sites = append(m.sites, s)
		s.boot()
	}
	return m
}

// testGenesis differs by seed, and with it who proposes when.
func testGenesis(t testing.TB, seed uint64) *ledger.Genesis {
	var list []ledger.Site
	for i := range sites {
		digest := block.Sum(block.Raw, fmt.Appendf(nil, "site %d", i)).Digest()
		key, err := crypto.UnmarshalEd25519PublicKey(digest[:])
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ledger.Site{ID: id, Name: fmt.Sprint(i + 1)})
	}
	slices.SortFunc(list, func(a, b ledger.Site) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	nonce := make([]byte, 16)
	nonce[0] = byte(seed)
	g, err := ledger.NewGenesis("model", ledger.Byzantine, list, nonce)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// newEntry makes an entry that all may agree on: the liar asks for a run. Nobody else speaks of it
// by itself, and a site is ready for it once it holds the base.
func (m *mesh) newEntry(v Vote) (*ledger.Entry, block.CID) {
	base := block.Sum(block.DagCBOR, []byte("base "+v.String()))
	spec := &ledger.RunSpec{
		Name: v.String(), By: m.ids[m.model.cfg.Liar], Base: base, Layout: layout,
		Rounds: 1, Nonce: make([]byte, 16),
	}
	spec.Default(1)
	e := &ledger.Entry{Mesh: m.genesis.Block().CID, Height: 1, Parent: m.genesis.Block().CID, Body: &ledger.Open{Spec: *m.lie(ledger.KindOpen, spec)}}
	return e, base
}

// lie signs for the liar. Signatures are not checked here, and nothing is signed for another.
func (m *mesh) lie(kind ledger.Kind, body any) *ledger.Signed {
	return &ledger.Signed{From: m.ids[m.model.cfg.Liar], Kind: kind, Body: block.Encode(body), Sig: []byte{1}}
}

func (m *mesh) lieVote(kind ledger.Kind, view int, v Vote) *ledger.Signed {
	return m.lie(kind, &ledger.Vote{Height: 1, View: uint64(view), Entry: m.cid(v)})
}

func (m *mesh) cid(v Vote) block.CID {
	if v == Nil {
		return block.CID{}
	}
	return m.entries[v].CID()
}

// vote returns what a CID stands for.
func (m *mesh) vote(c block.CID) Vote {
	for _, v := range entries {
		if m.cid(v) == c {
			return v
		}
	}
	if c.Defined() {
		m.fail("an entry %s that nobody has made", c)
	}
	return Nil
}

func (m *mesh) note(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

func (m *mesh) fail(format string, args ...any) {
	m.t.Helper()
	for _, line := range m.history {
		m.t.Log(line)
	}
	m.t.Fatalf(format, args...)
}

// boot starts a site from its log.
func (s *site) boot() {
	machine, err := round.New(round.Config{
		Self: s.ids[s.position], Genesis: s.genesis, Timing: round.DefaultTiming(),
		Sign:   func([]byte) []byte { return []byte{1} },
		Verify: func(peer.ID, []byte, []byte) bool { return true },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Machine, s.view = machine, 0
	s.got, s.offered, s.wants = map[place]map[peer.ID][]Vote{}, map[int]bool{}, map[block.CID]bool{}
	for _, r := range s.log {
		again, err := round.DecodeRecord(r.Encode())
		if err == nil {
			err = s.Restore(again)
		}
		if err != nil {
			s.fail("site %d: restore: %v", s.position+1, err)
		}
		s.remember(again)
	}
	s.step(round.Alarm{})
	for _, id := range s.ids { // the log is all that it has said, which the others confirm
		s.step(round.Received{From: id, Message: &round.Message{Said: &round.Said{List: []ledger.Signed{}}}})
	}
	for _, v := range entries { // so that it knows what A and B are
		s.receive(s.lie(consensus.KindReady, &consensus.Ready{Height: 1, Entry: s.cid(v), Data: s.entries[v].Block().Data}))
	}
	// And so that it sees that something is to be decided.
	s.receive(s.lieVote(ledger.KindPrevote, s.opening[s.rng.IntN(len(s.opening))], Nil))
}

// remember notes what a record of the log brings back.
func (s *site) remember(r round.Record) {
	if r.Lock != nil {
		for i := range r.Lock.Polka {
			s.have(&r.Lock.Polka[i])
		}
	}
	if r.Statement != nil {
		s.own(r.Statement)
		s.view = max(s.view, viewOf(s.t, r.Statement))
	}
}

func viewOf(t testing.TB, stmt *ledger.Signed) int {
	switch b := open(t, stmt).(type) {
	case *consensus.Proposal:
		return int(b.View)
	case *ledger.Vote:
		return int(b.View)
	}
	return 0
}

func open(t testing.TB, stmt *ledger.Signed) any {
	body, err := stmt.Open()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// have notes the votes that a statement brings.
func (s *site) have(stmt *ledger.Signed) {
	switch b := open(s.t, stmt).(type) {
	case *ledger.Vote:
		at := place{stmt.Kind, int(b.View)}
		if s.got[at] == nil {
			s.got[at] = map[peer.ID][]Vote{}
		}
		if v := s.vote(b.Entry); !slices.Contains(s.got[at][stmt.From], v) {
			s.got[at][stmt.From] = append(s.got[at][stmt.From], v)
		}
	case *consensus.Proposal:
		seen := map[peer.ID]bool{}
		for i := range b.Polka { // up to the one for which the machine refuses the proposal
			v, ok := open(s.t, &b.Polka[i]).(*ledger.Vote)
			from := b.Polka[i].From
			if !ok || int64(v.View) != b.ValidView || v.Entry != s.cid(s.action(stmt).Entry) || seen[from] {
				return
			}
			seen[from] = true
			s.have(&b.Polka[i])
		}
	}
}

// own notes what a site has said itself.
func (s *site) own(stmt *ledger.Signed) {
	s.have(stmt)
	if stmt.Kind == consensus.KindProposal {
		s.offered[viewOf(s.t, stmt)] = true
	}
}

// tally returns how many sites' votes a site has in a place; for how many of them v came first,
// and for how many at all. Only the liar votes twice.
func (s *site) tally(kind ledger.Kind, view int, v Vote) (all, first, any int) {
	for _, votes := range s.got[place{kind, view}] {
		all++
		if votes[0] == v {
			first++
		}
		if slices.Contains(votes, v) {
			any++
		}
	}
	return all, first, any
}

// receive hands a statement to the machine. A proposal that it refuses leaves room for another.
func (s *site) receive(stmt *ledger.Signed) {
	if s.over || stmt.From == s.ids[s.position] {
		return
	}
	p, proposed := open(s.t, stmt).(*consensus.Proposal)
	if !proposed || !s.offered[int(p.View)] {
		s.have(stmt)
	}
	s.refused = false
	s.step(round.Received{From: stmt.From, Message: &round.Message{Statement: stmt}})
	if proposed && !s.refused {
		s.offered[int(p.View)] = true
	}
}

// hold makes a site ready for an entry.
func (s *site) hold(v Vote) {
	s.holds[v] = true
	s.answer()
}

// answer gives a site the bases that it asks for and holds.
func (s *site) answer() {
	for _, v := range entries {
		if base := s.bases[v]; s.holds[v] && s.wants[base] {
			delete(s.wants, base)
			s.step(runs.Fetched{Manifest: base, Layout: layout})
		}
	}
}

// wait lets a minute pass for one site, which is longer than any timeout.
func (s *site) wait() {
	s.now += time.Minute
	s.step(round.Alarm{})
}

func (s *site) step(e round.Event) {
	if s.over {
		return
	}
	s.Step(s.now, e)
	s.do(s.Ready())
	s.answer()
}

// do does a machine's work and follows in the model what it has said.
func (s *site) do(w round.Work) {
	if s.torn(w) {
		return
	}
	s.log = append(s.log, w.Save...)
	said := map[place]*ledger.Signed{}
	for _, r := range w.Save {
		if r.Statement != nil {
			said[place{r.Statement.Kind, viewOf(s.t, r.Statement)}] = r.Statement
		}
	}
	for _, t := range w.Trace {
		if s.over {
			return
		}
		s.trace(t, said)
	}
	for _, send := range w.Send {
		if stmt := send.Message.Statement; stmt != nil && stmt.From == s.ids[s.position] {
			s.sent(stmt)
		}
	}
	for _, job := range w.Jobs {
		if f, ok := job.(runs.Fetch); ok {
			s.wants[f.Manifest] = true
		}
	}
	s.learn()
}

func (s *site) trace(t trace.Event, said map[place]*ledger.Signed) {
	switch t := t.(type) {
	case trace.ViewBegun:
		s.view = int(t.View)
		s.over = s.view >= s.model.cfg.Views
		s.note("site %d: view %d", s.position+1, t.View)
		s.behind(said)
	case trace.Proposed:
		s.speaks(place{consensus.KindProposal, int(t.View)}, said)
	case trace.Prevoted:
		s.speaks(place{ledger.KindPrevote, int(t.View)}, said)
	case trace.Precommitted:
		s.speaks(place{ledger.KindPrecommit, int(t.View)}, said)
	case trace.Rejected:
		s.refused = true
		s.note("site %d: rejects: %s", s.position+1, t.Why)
	case trace.Decided:
		s.decide(int(t.View), s.vote(t.Decision.Entry))
	}
}

// speaks takes what a site says in a place, which it must have saved.
func (s *site) speaks(at place, said map[place]*ledger.Signed) {
	if said[at] == nil {
		s.fail("site %d: %s of view %d is not saved", s.position+1, at.kind, at.view)
	}
	if at.kind != consensus.KindProposal && at.view < s.view {
		return // behind it
	}
	s.own(said[at])
	s.follow(said[at])
	s.learn()
}

// behind follows the votes for nil with which a site has left the views before its own.
func (s *site) behind(said map[place]*ledger.Signed) {
	left := -1
	for at, stmt := range said {
		if at.view >= s.view || at.kind == consensus.KindProposal || s.said[at] != nil {
			continue
		}
		if at.view < s.model.cfg.Views {
			left = max(left, at.view)
		}
		s.own(stmt)
		s.said[at] = stmt
		if s.action(stmt).Entry != Nil {
			s.fail("site %d votes in view %d, which it has left", s.position+1, at.view)
		}
	}
	if left < 0 {
		return
	}
	s.note("site %d: votes nil up to view %d, which it leaves", s.position+1, left)
	s.take(func(a Action) bool { return a.Kind == Leave && a.Site == s.position && a.View == left })
}

// sent checks that what leaves a site is what it has said before, and adds it to the pool.
func (s *site) sent(stmt *ledger.Signed) {
	if stmt.Kind != consensus.KindReady {
		at := place{stmt.Kind, viewOf(s.t, stmt)}
		if s.said[at] == nil { // it was logged before a crash and not sent
			s.follow(stmt)
		}
		if !slices.Equal(s.said[at].Body, stmt.Body) {
			s.fail("site %d: two statements for %s of view %d", s.position+1, at.kind, at.view)
		}
	}
	if !slices.ContainsFunc(s.pool, func(o *ledger.Signed) bool {
		return o.From == stmt.From && o.Kind == stmt.Kind && slices.Equal(o.Body, stmt.Body)
	}) {
		s.pool = append(s.pool, stmt)
	}
}
