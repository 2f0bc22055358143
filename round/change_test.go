package round

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/trace"
)

// changed makes the entry that a change of the roster is decided with; a key that comes signs at the head.
func (e *env) changed(c *ledger.Change, by ...*simSite) *ledger.Entry {
	l := e.sites[0].ledger
	x := &ledger.Changed{Change: *c}
	slices.SortFunc(by, func(a, b *simSite) int { return ledger.CompareIDs(a.self, b.self) })
	for _, s := range by {
		x.Approvals = append(x.Approvals, ledger.CertVote{From: s.self, Sig: s.out.Sign(ledger.KindApprove, c).Sig})
	}
	if c.Add != nil {
		x.Join = e.site(c.Add.ID).out.Sign(ledger.KindJoin, &ledger.Join{Change: c.ID(), Height: l.Height(), Entry: l.Head()})
	}
	return e.next(ledger.Entry{Body: x})
}

func (e *env) site(id peer.ID) *simSite { return e.sites[e.num(id)-1] }

func TestCheckChanged(t *testing.T) {
	e := newJoinEnv(t, 4, 2, ledger.Byzantine)
	e.open(e.spec(3))
	e.stabilize()
	l := e.sites[0].ledger
	one, two, three, five := e.sites[0], e.sites[1], e.sites[2], e.sites[4]
	add := &ledger.Change{Add: &e.known[4]}
	remove := &ledger.Change{Remove: &e.known[3]}
	replace := &ledger.Change{Remove: &e.known[3], Add: &ledger.Site{ID: five.self, Name: "4"}}
	for name, c := range map[string]*ledger.Change{"add": add, "remove": remove, "replace": replace} {
		x := e.changed(c, one, two, three)
		if err := l.Check(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := ledger.DecodeEntry(x.Block().Data)
		if err != nil || again.CID() != x.CID() || l.Check(again) != nil {
			t.Errorf("%s: another entry after the wire: %v", name, err)
		}
	}
	rejoin := func(x *ledger.Entry, s *simSite, change func(*ledger.Join)) {
		j := *must(ledger.BodyOf[ledger.Join](ledger.As[ledger.Changed](x).Join, ledger.KindJoin))
		change(&j)
		ledger.As[ledger.Changed](x).Join = s.out.Sign(ledger.KindJoin, &j)
	}
	for _, c := range []struct {
		name   string
		of     *ledger.Change
		change func(*ledger.Entry)
		want   string
	}{
		{"too few", add, func(x *ledger.Entry) {
			ledger.As[ledger.Changed](x).Approvals = ledger.As[ledger.Changed](x).Approvals[1:]
		}, "2 sites approve, want 3"},
		{"one twice", add, func(x *ledger.Entry) {
			ledger.As[ledger.Changed](x).Approvals[1] = ledger.As[ledger.Changed](x).Approvals[0]
		}, "ascend and differ"},
		{"disorder", add, func(x *ledger.Entry) { slices.Reverse(ledger.As[ledger.Changed](x).Approvals) }, "ascend and differ"},
		{"a stranger's", add, func(x *ledger.Entry) {
			ledger.As[ledger.Changed](x).Approvals[2] = ledger.CertVote{From: five.self, Sig: five.out.Sign(ledger.KindApprove, add).Sig}
			slices.SortFunc(ledger.As[ledger.Changed](x).Approvals, func(a, b ledger.CertVote) int { return ledger.CompareIDs(a.From, b.From) })
		}, "not a site of the roster"},
		{"forged", add, func(x *ledger.Entry) {
			ledger.As[ledger.Changed](x).Approvals[0].Sig = ledger.As[ledger.Changed](x).Approvals[1].Sig
		}, "does not verify"},
		{"approved otherwise", add, func(x *ledger.Entry) {
			ledger.As[ledger.Changed](x).Change.Add = &ledger.Site{ID: five.self, Name: "6"}
			rejoin(x, five, func(j *ledger.Join) { j.Change = ledger.As[ledger.Changed](x).Change.ID() })
		}, "does not verify"},
		{"of another version", &ledger.Change{Version: 1, Add: &e.known[4]}, nil, "in force is version 0"},
		{"no join", add, func(x *ledger.Entry) { ledger.As[ledger.Changed](x).Join = nil }, "who comes signs"},
		{"a join for a removal", remove, func(x *ledger.Entry) {
			ledger.As[ledger.Changed](x).Join = ledger.As[ledger.Changed](e.changed(add, one)).Join
		}, "nobody else"},
		{"join by another", add, func(x *ledger.Entry) { rejoin(x, e.sites[5], func(*ledger.Join) {}) }, "comes"},
		{"join of another change", add, func(x *ledger.Entry) { rejoin(x, five, func(j *ledger.Join) { j.Change = remove.ID() }) }, "another change"},
		{"join ahead", add, func(x *ledger.Entry) { rejoin(x, five, func(j *ledger.Join) { j.Height++ }) }, "no entry of the last"},
		{"join of another ledger", add, func(x *ledger.Entry) { rejoin(x, five, func(j *ledger.Join) { j.Entry = add.ID() }) }, "no entry of the last"},
		{"join forged", add, func(x *ledger.Entry) { ledger.As[ledger.Changed](x).Join.Sig = make([]byte, 32) }, "does not verify"},
		{"another statement", add, func(x *ledger.Entry) { ledger.As[ledger.Changed](x).Join = five.out.Sign(ledger.KindApprove, add) }, "want join"},
		{"nothing", &ledger.Change{}, nil, "changes nothing"},
		{"a key that is a site's", &ledger.Change{Add: &ledger.Site{ID: two.self, Name: "5"}}, nil, `that of site "2"`},
		{"a name that is a site's", &ledger.Change{Add: &ledger.Site{ID: five.self, Name: "2"}}, nil, `there is a site "2" already`},
		{"a site that is none", &ledger.Change{Remove: &e.known[4]}, nil, `no site "5"`},
		{"by another name", &ledger.Change{Remove: &ledger.Site{ID: two.self, Name: "3"}}, nil, `no site "3"`},
		{"two changes at once", &ledger.Change{Remove: &e.known[3], Add: &e.known[4]}, nil, "keeps the site's name"},
		{"the same key", &ledger.Change{Remove: &e.known[3], Add: &e.known[3]}, nil, "that is the key which"},
		{"no name", &ledger.Change{Add: &ledger.Site{ID: five.self, Name: ""}}, nil, "name"},
		{"no key", &ledger.Change{Add: &ledger.Site{ID: "", Name: "5"}}, nil, "peer ID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			by := []*simSite{one, two, three}
			var x *ledger.Entry
			if c.of.Add != nil && e.num(c.of.Add.ID) == 0 {
				x = e.next(ledger.Entry{Body: &ledger.Changed{Change: *c.of}})
			} else {
				x = e.changed(c.of, by...)
			}
			if c.change != nil {
				c.change(x)
			}
			wantInvalid(t, l.Check(x), c.want)
		})
	}
}

// TestRosterByHeight: every height is judged by the roster in force at it, before and after a change.
func TestRosterByHeight(t *testing.T) {
	e := newJoinEnv(t, 3, 1, ledger.Byzantine)
	e.open(e.spec(1))
	e.stabilize()
	l := e.sites[0].ledger
	x := e.changed(&ledger.Change{Add: &e.known[3]}, e.sites[0], e.sites[1])
	l.Apply(x, e.certify(x, e.sites[0], e.sites[1])) // a quorum of three is two
	for h, want := range map[uint64]int{1: 3, 2: 3, 3: 4, 99: 4} {
		if n := l.RosterAt(h).Len(); n != want {
			t.Errorf("height %d: %d sites, want %d", h, n, want)
		}
	}
	if r := l.Roster(); r.Version() != 1 || r.From() != 3 || r.Quorum() != 3 || !r.Has(testID(3)) {
		t.Errorf("the new roster: %+v", r)
	}
	fresh := ledger.NewLedger(e.genesis, testVerify) // what weft verify does
	for h := uint64(1); h <= 2; h++ {
		if err := fresh.Append(l.At(h).Entry, l.At(h).Certificate); err != nil {
			t.Fatal(err)
		}
	}
	next := e.changed(&ledger.Change{Version: 1, Remove: &e.known[0]}, e.sites...)
	for _, c := range []struct {
		by   []*simSite
		want bool
	}{{e.sites[:2], false}, {e.sites[:3], true}, {e.sites[1:], true}} {
		if err := e.certify(next, c.by...).Verify(l.Mesh(), l.Roster(), next, testVerify); (err == nil) != c.want {
			t.Errorf("%d votes: %v", len(c.by), err)
		}
	}
	if err := fresh.Append(next, e.certify(next, e.sites[1:]...)); err != nil {
		t.Fatal(err)
	}
	back := &ledger.Change{Version: 2, Add: &ledger.Site{ID: e.known[0].ID, Name: "back"}}
	if err := fresh.CheckChange(back); err == nil {
		t.Error("a key that was removed comes back")
	}
	if err := fresh.CheckChange(&ledger.Change{Version: 2, Add: &ledger.Site{ID: testID(9), Name: e.known[0].Name}}); err != nil {
		t.Errorf("a removed site's name with a new key: %v", err)
	}
	if got := fresh.Name(e.known[0].ID); got != e.known[0].Name {
		t.Errorf("a removed site is called %q", got)
	}
}

func (e *env) certify(x *ledger.Entry, by ...*simSite) *ledger.Certificate {
	c := &ledger.Certificate{Mesh: x.Mesh, Height: x.Height, Entry: x.CID()}
	for _, s := range by {
		c.Votes = append(c.Votes, ledger.CertVote{From: s.self, Sig: s.out.Sign(ledger.KindPrecommit, &ledger.Vote{Height: x.Height, View: 0, Entry: x.CID()}).Sig})
	}
	slices.SortFunc(c.Votes, func(a, b ledger.CertVote) int { return ledger.CompareIDs(a.From, b.From) })
	return c
}

// TestJoinAge: a join counts while its head is one of the newest maxJoinAge entries.
func TestJoinAge(t *testing.T) {
	e := newJoinEnv(t, 1, 1, ledger.Byzantine)
	c := &ledger.Change{Add: &e.known[1]}
	old := e.changed(c, e.sites[0]) // at the genesis
	e.open(e.spec(20))
	l := e.sites[0].ledger
	for l.Height() < ledger.MaxJoinAge+3 {
		x := e.next(*old)
		if err, want := l.Check(x), l.Height() < ledger.MaxJoinAge; (err == nil) != want {
			t.Fatalf("at height %d: %v", x.Height, err)
		}
		before := l.Height()
		for l.Height() == before {
			e.trained(e.sites[0])
			e.stabilize()
		}
	}
}

// TestJoinedLate: a site's update of a round that was open when it joined counts in that round only.
func TestJoinedLate(t *testing.T) {
	e := newJoinEnv(t, 3, 1, ledger.Byzantine)
	spec := e.spec(5)
	e.open(spec)
	e.stabilize()
	c := &ledger.Change{Add: &e.known[3]}
	for _, s := range e.sites[:2] {
		e.step(s, Approve{c})
	}
	four := e.sites[3]
	e.pass(10*time.Second, func() bool { return !four.observes() })
	if four.observes() {
		t.Fatal("it does not join")
	}
	l := e.sites[0].ledger
	r := l.Run(spec.ID())
	early := e.offer(four, r, 1, "early")
	if _, err := l.Staleness(r, early); err != nil {
		t.Errorf("in the round that is open: %v", err)
	}
	round := func() {
		before := r.Round
		e.pass(time.Minute, func() bool {
			for _, s := range e.sites {
				e.trained(s)
			}
			return r.Round > before
		})
	}
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.pass(time.Minute, func() bool { return r.Round == 2 })
	if _, err := l.Staleness(r, early); err == nil {
		t.Error("in the round after")
	}
	later := e.offer(four, r, 1, "later")
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.pass(time.Minute, func() bool { return r.Round == 3 })
	if stale, err := l.Staleness(r, later); err != nil || stale != 1 {
		t.Errorf("of a round that began after it joined: %d rounds late, %v", stale, err)
	}
	round()
}

// TestRandomRosters plays random schedules in which operators also change the roster.
func TestRandomRosters(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 4
	}
	for _, mesh := range []struct{ n, joiners, crashes int }{{1, 2, 0}, {3, 2, 1}, {4, 3, 1}, {5, 3, 2}} {
		t.Run(fmt.Sprintf("n=%d joiners=%d down=%d", mesh.n, mesh.joiners, mesh.crashes), func(t *testing.T) {
			for seed := range uint64(seeds) {
				randomRosters(t, seed, mesh.n, mesh.joiners, mesh.crashes)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func randomRosters(t testing.TB, seed uint64, n, joiners, crashes int) {
	rng := rand.New(rand.NewPCG(seed, 8))
	e := newJoinEnv(t, n, joiners, ledger.Byzantine)
	spec := e.spec(12)
	e.open(spec)
	loss := 0.1 * rng.Float64()
	for range 12 {
		e.random(rng, e.now+5*time.Second, loss, crashes)
		e.randomChange(rng)
	}
	e.gates = true // whoever was away for long finds the others
	for _, s := range e.sites {
		if s.down {
			e.restart(s)
		}
	}
	e.relink()
	for end := e.now + 10*time.Minute; e.now < end; {
		e.random(rng, e.now+5*time.Second, 0, 0)
		if newest, done := e.ended(spec); done {
			if newest.Version() == 0 && n > 1 {
				t.Logf("seed %d: the roster has not changed", seed)
			}
			return
		}
	}
	for _, s := range e.sites {
		t.Logf("site %d: %s, height %d view %d opened %v, %d candidates, muted %v, run %+v", s.num, e.rosterOf(s), s.consensus.Number(), s.View(), s.consensus.Snapshot().Opened, len(s.consensus.Snapshot().Candidates), s.voice.Muted(), s.ledger.Run(spec.ID()))
	}
	t.Errorf("seed %d: n=%d: the run does not finish", seed, n)
}

// ended reports whether all sites of the newest roster have done the run, with the same models.
func (e *env) ended(spec *ledger.RunSpec) (*ledger.Roster, bool) {
	newest := e.sites[0].roster()
	for _, s := range e.sites {
		if s.roster().Version() > newest.Version() {
			newest = s.roster()
		}
	}
	var model block.CID
	for _, site := range newest.Sites() {
		s := e.site(site.ID)
		r := s.ledger.Run(spec.ID())
		if s.roster() != newest && s.roster().Version() != newest.Version() || r == nil || r.Active() {
			return newest, false
		}
		if model.Defined() && r.Base != model {
			e.t.Errorf("site %d ends with %s, another with %s", s.num, r.Base, model)
		}
		model = r.Base
	}
	return newest, true
}

// randomChange has most operators approve of some change of the newest roster.
func (e *env) randomChange(rng *rand.Rand) {
	newest := e.sites[0].ledger
	for _, s := range e.sites {
		if s.ledger.Height() > newest.Height() {
			newest = s.ledger
		}
	}
	sites := newest.Roster().Sites()
	var fresh []ledger.Site
	for _, s := range e.known {
		if !newest.HasBeen(s.ID) {
			fresh = append(fresh, s)
		}
	}
	c := &ledger.Change{Version: newest.Roster().Version()}
	switch out := sites[rng.IntN(len(sites))]; {
	case len(fresh) > 0 && rng.IntN(2) == 0:
		c.Add = &fresh[rng.IntN(len(fresh))]
	case len(fresh) > 0 && rng.IntN(2) == 0:
		c.Remove, c.Add = &out, &ledger.Site{ID: fresh[0].ID, Name: out.Name}
	case len(sites) > 3 || len(sites) > 1 && e.site(out.ID).down:
		c.Remove = &out
	default:
		return
	}
	for _, site := range sites {
		if s := e.site(site.ID); !s.down && rng.IntN(5) > 0 {
			e.step(s, Approve{c})
		}
	}
}

// TestRemovedSiteLiesAboutItsHeight: whoever goes is sent the ledger from where it says it is, wherever that is.
func TestRemovedSiteLiesAboutItsHeight(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	e.stabilize()
	liar := e.sites[3]
	for _, s := range e.sites[:3] {
		e.step(s, Received{liar.self, &Message{Head: &Head{Height: math.MaxUint64, Entry: e.sites[0].ledger.Head(), Past: []consensus.Votes{}}}, 0})
		e.step(s, Approve{&ledger.Change{Remove: &e.known[3]}})
	}
	e.pass(time.Minute, func() bool { return e.sites[0].roster().Version() == 1 })
	if e.sites[0].roster().Has(liar.self) {
		t.Error("it is still there")
	}
}

// TestTooManyApprovals: whatever the order in which a site's approvals come, every site keeps the same few, and who asks
// for ever is not told of for ever.
func TestTooManyApprovals(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	e.stabilize()
	liar := e.sites[3]
	var approvals []*ledger.Signed
	for i := range 50 {
		c := &ledger.Change{Add: &ledger.Site{ID: testID(100 + i), Name: fmt.Sprint("new-", i)}}
		approvals = append(approvals, liar.out.Sign(ledger.KindApprove, c))
	}
	var kept [][]block.CID
	for i, s := range e.sites[:3] {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		rng.Shuffle(len(approvals), func(i, j int) { approvals[i], approvals[j] = approvals[j], approvals[i] })
		asked := 0
		for _, a := range approvals {
			s.Step(e.now, Received{liar.self, &Message{Statement: a}, 0})
			for _, t := range s.Ready().Trace {
				if t.Kind() == (trace.ChangeAsked{}).Kind() {
					asked++
				}
			}
		}
		var ids []block.CID
		for _, c := range s.Changes() {
			ids = append(ids, c.ID)
		}
		slices.SortFunc(ids, block.CID.Compare)
		kept = append(kept, ids)
		if len(kept[i]) != ledger.MaxChanges || asked != ledger.MaxChanges || !slices.Equal(kept[i], kept[0]) {
			t.Errorf("site %d keeps %d, tells of %d: %v, site 1 keeps %v", i+1, len(kept[i]), asked, kept[i], kept[0])
		}
	}
}

// TestWithdrawnApprovalsDecideNothing: a liar that has kept approvals which were taken back proposes with them in vain, and
// hinders nobody who may still be decided on.
func TestWithdrawnApprovalsDecideNothing(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	e.stabilize()
	one, two, three, liar := e.sites[0], e.sites[1], e.sites[2], e.sites[3]
	c := &ledger.Change{Remove: &e.known[0]}
	forged := e.changed(c, one, two, three)
	for _, s := range e.sites[:2] {
		e.step(s, Approve{c})
	}
	e.stabilize()
	e.step(one, TakeBack{c})
	e.stabilize() // else site 3 would be ready before it hears of it
	e.step(three, Approve{c})
	e.stabilize()
	told := &Message{Statement: liar.out.Sign(consensus.KindReady, &consensus.Ready{Height: 1, Entry: forged.CID(), Data: forged.Block().Data})}
	for _, s := range e.sites[:3] {
		e.step(s, Received{liar.self, told, 0})
	}
	e.pass(time.Minute, func() bool { return one.ledger.Height() > 0 })
	for _, s := range e.sites[:3] {
		if k := s.consensus.Snapshot().Candidates[forged.CID()]; s.ledger.Height() > 0 || k.Entry == nil || k.Ready[s.self] {
			t.Errorf("site %d: height %d, %+v", s.num, s.ledger.Height(), k)
		}
	}
	e.step(liar, Approve{c}) // now a quorum approves without site 1
	e.pass(time.Minute, func() bool { return two.roster().Version() == 1 })
	if two.roster().Has(one.self) || two.ledger.At(1).Entry.CID() == forged.CID() {
		t.Errorf("what a quorum approves of is decided: %v", two.ledger.Height())
	}
}

// TestWithdrawals: the newest serial counts, whatever the order in which they come; who has not approved takes nothing back.
func TestWithdrawals(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	e.stabilize()
	one, two := e.sites[0], e.sites[1]
	c := &ledger.Change{Remove: &e.known[3]}
	tell := func(s *ledger.Signed) { e.step(one, Received{two.self, &Message{Statement: s}, 0}) }
	withdraw := func(serial uint64, withdrawn bool) *ledger.Signed {
		return two.out.Sign(ledger.KindWithdraw, &ledger.Withdraw{Change: c.ID(), Serial: serial, Withdrawn: withdrawn})
	}
	if err := one.CheckTakeBack(c); !errors.Is(err, ledger.ErrNoApproval) {
		t.Errorf("without an approval: %v", err)
	}
	tell(withdraw(3, true)) // of what nobody has asked for
	if one.Footprint().Members.Changes != 0 {
		t.Error("a withdrawal asks for a change")
	}
	tell(two.out.Sign(ledger.KindApprove, c))
	for i, step := range []struct {
		serial    uint64
		withdrawn bool
		want      bool // that it approves
	}{{1, true, false}, {3, false, true}, {2, true, true}, {3, true, true}, {4, true, false}} {
		tell(withdraw(step.serial, step.withdrawn))
		got := slices.ContainsFunc(one.Changes(), func(c membership.PendingChange) bool { return slices.Contains(c.Approvals, two.self) })
		if got != step.want {
			t.Errorf("step %d: approves %v", i, got)
		}
	}
	if got := one.Changes(); len(got) != 0 {
		t.Errorf("nobody approves any more: %+v", got)
	}
	e.step(one, Approve{c})
	if got := one.Changes(); len(got) != 1 || len(got[0].Withdrawn) != 1 || got[0].Withdrawn[0] != two.self {
		t.Errorf("changes %+v", got)
	}
	heads := one.members.Heads()
	index, _ := one.roster().Index(two.self)
	if want := make([]uint64, index+1); len(heads) != 1 {
		t.Errorf("heads %+v", heads)
	} else if want[len(want)-1] = 4; !slices.Equal(heads[0].Serials, want) {
		t.Errorf("serials %v, want %v", heads[0].Serials, want)
	}
}
