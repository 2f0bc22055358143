package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
)

// newcomer makes a site that the mesh's genesis does not list, and ties it to the mesh.
func (s *testSite) newcomer(name string) *testSite {
	s.t.Helper()
	h, err := site.Open(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	c := newTestSite(s.t, strings.TrimSuffix(s.dir, "/"+s.name), name, nil)
	if err := site.Join(c.dir, h.Genesis); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// approve has the operators of sites say yes to a change.
func approve(t *testing.T, req api.ChangeRequest, sites ...*testSite) {
	t.Helper()
	for _, s := range sites {
		if _, err := s.client.ChangeRoster(t.Context(), req); err != nil {
			t.Fatalf("site %s: %v", s.name, err)
		}
	}
}

func (s *testSite) awaitVersion(version uint64) {
	s.t.Helper()
	s.await("the roster", func(st *api.Status) bool {
		r, err := s.client.Roster(s.t.Context())
		return err == nil && r.Version == version
	})
}

// TestRoster: in the middle of a run a site is added, which trains from then on; another is given a new key; a third
// is removed, and is told. All that remain have the same models, and the ledger verifies.
func TestRoster(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, takesTime)
	a, b, c, d := sites[0], sites[1], sites[2], sites[3]
	upAll(sites)
	run := a.start(ledger.RunSpec{Name: "long", Rounds: 1000})
	a.awaitRounds(run, 1)

	e := a.newcomer("e")
	e.up(a)
	e.await("where it stands", func(st *api.Status) bool {
		return st.Observes && strings.Contains(st.Hint, "weft roster add e="+e.id.String())
	})
	add := api.ChangeRequest{Add: &api.RosterSite{Name: "e", ID: e.id}}
	approve(t, add, a)
	r, err := b.client.Roster(t.Context())
	if err != nil || r.Version != 0 || len(r.Sites) != 4 {
		t.Errorf("one approval: %+v, %v", r, err)
	}
	e.await("to be let in", func(st *api.Status) bool { return strings.Contains(st.Problem, "1 of 3 approvals") && st.Height > 0 })
	b.down() // and what it has said is in its log
	b.up(sites...)
	approve(t, add, b, c)
	for _, s := range []*testSite{a, b, c, d, e} {
		s.awaitVersion(1)
	}
	e.await("to train", func(st *api.Status) bool {
		h := st.Runs[0].History
		return !st.Observes && st.Sites == 5 && len(h) > 0 && strings.Contains(strings.Join(h[len(h)-1].Sites, ""), "e")
	})

	c2 := a.newcomer("c2")
	c.down() // its disk is gone
	approve(t, api.ChangeRequest{Remove: "c", Add: &api.RosterSite{Name: "c", ID: c2.id}}, a, b, d, e)
	c2.up(a, b)
	c2.awaitVersion(2)
	if _, err := a.client.ChangeRoster(t.Context(), api.ChangeRequest{Add: &api.RosterSite{Name: "f", ID: c.id}}); err == nil || !strings.Contains(err.Error(), "no key comes back") {
		t.Errorf("a key comes back: %v", err)
	}

	approve(t, api.ChangeRequest{Remove: "d"}, a, b, e, c2)
	d.await("to be told", func(st *api.Status) bool { return st.Observes && strings.Contains(st.Problem, "was removed") })
	a.await("d to be cut off", func(st *api.Status) bool {
		for _, p := range a.node.Site().Peers() {
			if p.ID == d.id {
				return false
			}
		}
		return st.Sites == 4 && !a.node.reach.has(d.id)
	})
	if _, err := d.client.ChangeRoster(t.Context(), api.ChangeRequest{Remove: "a"}); err == nil {
		t.Error("a removed site approves")
	}

	here := []*testSite{a, b, e, c2}
	c2.await("to train", func(st *api.Status) bool {
		h := st.Runs[0].History
		return len(h) > 0 && len(h[len(h)-1].Sites) == 4
	})
	if err := a.client.Stop(t.Context(), run, api.Stop{Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	var head api.Status
	for i, s := range here {
		st := s.await("the end", func(st *api.Status) bool { return st.Runs[0].Phase == api.PhaseStopped })
		if i == 0 {
			head = *st
		}
		s.await("the same ledger", func(st *api.Status) bool { return st.Head == head.Head })
		if st.Runs[0].Base != head.Runs[0].Base || !st.Runs[0].History[len(st.Runs[0].History)-1].Held {
			t.Errorf("site %s: model %s, site a has %s", s.name, st.Runs[0].Base, head.Runs[0].Base)
		}
	}
	for _, s := range append(here, d) {
		s.down()
		r, err := archive.Verify(s.dir)
		if err != nil {
			t.Fatalf("site %s: %v", s.name, err)
		}
		if r.Changes != 3 || strings.Join(r.Sites, " ") == "" || len(r.Sites) != 4 || len(r.Signers) != 5 {
			t.Errorf("site %s: %d changes, sites %v, signers %v", s.name, r.Changes, r.Sites, r.Signers)
		}
	}
}

// A newcomer may know only the address of a site whose operator has not approved: it is let in once a quorum's have.
func TestJoinThroughOneThatHasNotApproved(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, nil)
	upAll(sites)
	e := sites[0].newcomer("e")
	add := api.ChangeRequest{Add: &api.RosterSite{Name: "e", ID: e.id}}
	approve(t, add, sites[1:3]...)
	e.up(sites[0])
	e.await("to be told of others", func(st *api.Status) bool { return strings.Contains(st.Hint, "address of a site that has approved") })
	approve(t, add, sites[3])
	for _, s := range append(sites, e) {
		s.awaitVersion(1)
	}
}

// A site that was away while it was removed is let in when it returns, for as long as it takes to be told.
func TestRemovedWhileAway(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, nil)
	upAll(sites)
	a, d := sites[0], sites[3]
	a.await("all", func(st *api.Status) bool { return st.Up == 4 })
	d.down()
	approve(t, api.ChangeRequest{Remove: "d"}, sites[:3]...)
	a.awaitVersion(1)
	approve(t, api.ChangeRequest{Remove: "c"}, sites[:2]...) // is no longer d's affair
	for _, s := range sites[:3] {                            // one that is behind would let d hear how it is decided
		s.awaitVersion(2)
	}
	d.up(sites...)
	st := d.await("to be told", func(st *api.Status) bool { return st.Observes })
	if st.Height != 1 {
		t.Errorf("it is told the ledger up to height %d, its removal is at 1", st.Height)
	}
	a.await("d to be cut off", func(*api.Status) bool { return !a.node.reach.has(d.id) })
}

// Sites that were away while all the others were given new keys find their way back through an address that they are
// told, though they still reach each other.
func TestAllOthersReplacedWhileAway(t *testing.T) {
	t.Parallel()
	sites := newFaultyMesh(t, ledger.Crash, 5, nil)
	upAll(sites)
	there, away := slices.Clone(sites[:3]), sites[3:]
	for _, s := range there {
		s.await("all", func(st *api.Status) bool { return st.Up == 5 })
	}
	for _, s := range away {
		s.down()
	}
	for i, old := range sites[:3] {
		heir := old.newcomer(old.name + "2")
		heir.up(there...)
		approve(t, api.ChangeRequest{Remove: old.name, Add: &api.RosterSite{Name: old.name, ID: heir.id}}, there...)
		there[i] = heir
		for _, s := range there {
			s.awaitVersion(uint64(i + 1))
		}
		old.down()
	}
	d, e := away[0], away[1]
	d.up()
	e.up(d)
	e.await("each other", func(st *api.Status) bool { return st.Up == 2 })
	d.down()
	d.up(append(there, e)...)
	for _, s := range append(there, away...) {
		s.awaitVersion(3)
		s.await("all", func(st *api.Status) bool { return st.Up == 5 && !st.Observes })
	}
	run := d.start(ledger.RunSpec{Name: "again", Rounds: 1, MinSites: 5})
	for _, s := range append(there, away...) {
		s.awaitRounds(run, 1)
	}
}

// TestApprove: what an operator cannot approve of is refused with a reason.
func TestApprove(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	upAll(sites)
	a := sites[0]
	newcomer := a.newcomer("x")
	for _, c := range []struct {
		req  api.ChangeRequest
		want string
	}{
		{api.ChangeRequest{Add: &api.RosterSite{Name: "b", ID: newcomer.id}}, "weft roster replace NAME=PEERID"},
		{api.ChangeRequest{}, "changes nothing"},
		{api.ChangeRequest{Remove: "x"}, `no site "x"`},
		{api.ChangeRequest{Approve: "zzzz"}, `no change "zzzz"`},
		{api.ChangeRequest{Approve: "zzzz", Remove: "b"}, "either"},
		{api.ChangeRequest{Add: &api.RosterSite{Name: "b", ID: testID(t, 50)}}, `there is a site "b" already`},
		{api.ChangeRequest{Add: &api.RosterSite{Name: "x", ID: sites[1].id}}, "its key is that of site"},
		{api.ChangeRequest{Add: &api.RosterSite{Name: "", ID: testID(t, 50)}}, "name"},
	} {
		if _, err := a.client.ChangeRoster(t.Context(), c.req); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.req, err, c.want)
		}
	}
	most := 0
	var err error
	for ; err == nil && most < 100; most++ {
		_, err = a.client.ChangeRoster(t.Context(), api.ChangeRequest{Add: &api.RosterSite{Name: "x", ID: testID(t, 60+most)}})
	}
	if most > 20 || !strings.Contains(err.Error(), "too many changes") || !strings.Contains(err.Error(), "decided first") {
		t.Errorf("after %d: %v", most, err)
	}
	r, err := a.client.Roster(t.Context())
	if err != nil || len(r.Changes) != most-1 || !r.Changes[0].Own || r.Changes[0].Missing != 1 || r.Changes[0].Joined {
		t.Errorf("%+v, %v", r.Changes, err)
	}
	again, err := a.client.ChangeRoster(t.Context(), api.ChangeRequest{Approve: r.Changes[0].ID.Short()})
	if err != nil || len(again.Approvals) != 1 {
		t.Errorf("approved twice: %+v, %v", again, err)
	}
}

// TestWithdraw: an operator takes an approval back; who was let in because of it is let in no more, until it is given again.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 3, nil)
	a, b := sites[0], sites[1]
	upAll(sites)
	e := a.newcomer("e")
	e.up(a)
	add := api.ChangeRequest{Add: &api.RosterSite{Name: "e", ID: e.id}}
	approve(t, add, a)
	admitted := func(s *testSite) bool { return s.node.gate.admits(e.id) }
	a.await("the newcomer to be let in", func(*api.Status) bool { return admitted(a) })
	b.await("the wish", func(st *api.Status) bool { return st.Asked == 1 })
	r, err := b.client.Roster(t.Context())
	if err != nil || len(r.Changes) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	id := r.Changes[0].ID.Short()

	if _, err := b.client.ChangeRoster(t.Context(), api.ChangeRequest{Withdraw: id}); err == nil || !strings.Contains(err.Error(), "no approval of this site") {
		t.Errorf("who has not approved takes back: %v", err)
	}
	d, err := a.client.ChangeRoster(t.Context(), api.ChangeRequest{Withdraw: id})
	if err != nil || d.Own || len(d.Approvals) != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, s := range sites {
		s.await("nothing to be asked for", func(st *api.Status) bool { return st.Asked == 0 })
	}
	a.await("the newcomer to be shut out", func(*api.Status) bool { return !admitted(a) && !a.node.reach.has(e.id) })

	approve(t, add, b)
	b.await("one approval", func(st *api.Status) bool { return len(st.Changes) == 1 && len(st.Changes[0].Approvals) == 1 })
	c, err := b.client.Roster(t.Context())
	if err != nil || len(c.Changes[0].Withdrawn) != 1 || c.Changes[0].Withdrawn[0] != "a" {
		t.Errorf("%+v, %v", c.Changes, err)
	}
	approve(t, add, a)
	for _, s := range append(sites, e) {
		s.awaitVersion(1)
	}
}
