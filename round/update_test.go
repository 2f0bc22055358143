package round

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// opened returns a mesh of four whose run has begun, and the run.
func openedEnv(t *testing.T, rounds uint64) (*env, *ledger.Run) {
	e := newEnv(t, 4, ledger.Byzantine)
	e.open(e.spec(rounds))
	e.stabilize()
	return e, e.sites[0].ledger.Runs()[0]
}

// tell hands statements to a site, from whoever has signed them.
func (e *env) tell(s *simSite, stmts ...*ledger.Signed) {
	for _, stmt := range stmts {
		e.step(s, Received{stmt.From, &Message{Attempt: 1, Statement: stmt}, 0})
	}
}

// offer is an update of a site for the current opening, with made-up content, which it holds.
func (e *env) offer(s *simSite, r *ledger.Run, attempt uint64, content string) *ledger.Signed {
	manifest := block.Sum(block.DagCBOR, []byte(content))
	e.hold(s, manifest)
	return s.out.Sign(ledger.KindUpdate, &ledger.Update{
		Run: r.ID, Round: r.Round, Opened: r.Opened, Attempt: attempt, Base: r.Base, Manifest: manifest, Samples: 100, Metrics: map[string]float64{},
	})
}

// sealOf makes an entry of a first seal of the given updates.
func (e *env) sealOf(r *ledger.Run, updates ...*ledger.Signed) *ledger.Entry {
	s := &ledger.Seal{Run: r.ID, Round: r.Round, Opened: r.Opened}
	for _, u := range updates {
		s.Updates = append(s.Updates, ledger.SealedUpdate{Update: *u, Weight: u.Update().Samples})
	}
	slices.SortFunc(s.Updates, func(a, b ledger.SealedUpdate) int { return ledger.CompareIDs(a.Update.From, b.Update.From) })
	return e.next(ledger.Entry{Body: s})
}

// heldBy reports whether a site knows and holds an update.
func heldBy(s *simSite, r *ledger.Run, stmt *ledger.Signed) bool {
	for _, u := range s.runs.Known(r.ID, stmt.From) {
		if body := u.Statement.Update(); body.Opened == stmt.Update().Opened && body.Manifest == stmt.Update().Manifest {
			return u.Held
		}
	}
	return false
}

// TestSealedUpdatesAreFetched: whatever a site knows of an author, the updates of his that a seal lists are
// fetched, since others may have locked it.
func TestSealedUpdatesAreFetched(t *testing.T) {
	for name, before := range map[string]func(*env, *simSite, *ledger.Run) []*ledger.Signed{
		"another update for the place": func(e *env, liar *simSite, r *ledger.Run) []*ledger.Signed {
			return []*ledger.Signed{e.offer(liar, r, 1, "told to site 1 only")}
		},
		"more updates than are kept": func(e *env, liar *simSite, r *ledger.Run) (list []*ledger.Signed) {
			for i := range uint64(3 * ledger.MaxAttempts) {
				list = append(list, e.offer(liar, r, i+2, string(rune('a'+i))))
			}
			return list
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, r := openedEnv(t, 1)
			one, liar := e.sites[0], e.sites[3]
			e.tell(one, before(e, liar, r)...)
			listed := []*ledger.Signed{e.offer(liar, r, 1, "told to the others"), e.offer(e.sites[1], r, 1, "2"), e.offer(e.sites[2], r, 1, "3")}
			seal := e.sealOf(r, listed...)
			e.tell(one, e.sites[1].out.Sign(consensus.KindReady, &consensus.Ready{Height: seal.Height, Entry: seal.CID(), Data: seal.Block().Data}))
			for _, u := range listed {
				if !heldBy(one, r, u) {
					t.Errorf("the update of site %s is not fetched", one.roster().Name(u.From))
				}
			}
			e.now += time.Minute
			e.step(one, Alarm{})
			if !one.consensus.IsReady(seal.CID()) {
				t.Error("not ready for the seal")
			}
		})
	}
}

// TestEqualUpdates: two sites may train the same bytes, each counts, and the bytes stay as long as one does.
func TestEqualUpdates(t *testing.T) {
	e, r := openedEnv(t, 2)
	one := e.sites[0]
	var all []*ledger.Signed
	for _, s := range e.sites[1:] {
		all = append(all, e.offer(s, r, 1, "the same"))
	}
	e.tell(one, all...)
	for _, u := range all {
		if !heldBy(one, r, u) {
			t.Errorf("the update of site %s is not known", one.roster().Name(u.From))
		}
	}
	u := all[0].Update()
	one.Step(e.now, Alarm{})
	one.Ready()
	one.decideAlone(e.sealOf(r, all[0], all[1]))
	one.decideAlone(e.next(ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 1, Seal: r.Latest().CID, Model: block.Sum(block.DagCBOR, []byte("1"))}}))
	for _, j := range one.Ready().Jobs {
		if f, ok := j.(runs.Forget); ok && f.Manifest == u.Manifest {
			t.Error("bytes are forgotten that another update still needs")
		}
	}
	one.decideAlone(e.sealOf(r, all[2]))
	one.decideAlone(e.next(ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 2, Seal: r.Latest().CID, Model: block.Sum(block.DagCBOR, []byte("2"))}}))
	if !slices.Contains(one.Ready().Jobs, runs.Job(runs.Forget{Run: r.ID, Manifest: u.Manifest, Update: true})) {
		t.Error("bytes that nothing needs are kept")
	}
}

// TestSameModelAnotherLayout: who names a model with a wrong layout spoils it for nobody else.
func TestSameModelAnotherLayout(t *testing.T) {
	e, _ := openedEnv(t, 1)
	one := e.sites[0]
	base := block.Sum(block.DagCBOR, []byte("another base"))
	ask := func(s *simSite, layout string) *ledger.Entry {
		spec := e.spec(1)
		spec.By, spec.Base, spec.Layout = s.self, base, block.Sum(block.DagCBOR, []byte(layout))
		return e.next(ledger.Entry{Body: &ledger.Open{Spec: *s.out.Sign(ledger.KindOpen, spec)}})
	}
	fetches := func(x *ledger.Entry) (f runs.Fetch, found bool) {
		one.Step(e.now, Received{ledger.As[ledger.Open](x).Spec.From, &Message{Statement: e.sites[1].out.Sign(consensus.KindReady, &consensus.Ready{Height: x.Height, Entry: x.CID(), Data: x.Block().Data})}, 0})
		for _, j := range one.Ready().Jobs {
			if f, found = j.(runs.Fetch); found {
				return f, true
			}
		}
		return f, false
	}
	junk, good := ask(e.sites[3], "wrong"), ask(e.sites[1], "right")
	f, ok := fetches(junk)
	if !ok {
		t.Fatal("no fetch for the first")
	}
	one.Step(e.now, runs.Fetched{Manifest: f.Manifest, Layout: f.Layout, Invalid: "another layout"})
	f, ok = fetches(good)
	if !ok {
		t.Fatal("the model is not fetched for the run that names it rightly")
	}
	one.Step(e.now, runs.Fetched{Manifest: f.Manifest, Layout: f.Layout})
	if !one.consensus.IsReady(good.CID()) || one.consensus.IsReady(junk.CID()) {
		t.Errorf("ready for the good run: %v, for the other: %v", one.consensus.IsReady(good.CID()), one.consensus.IsReady(junk.CID()))
	}
}

// TestLost: what is gone is fetched again when it is needed, and not taken to be held before.
func TestLost(t *testing.T) {
	e, r := openedEnv(t, 1)
	one := e.sites[0]
	u := e.offer(e.sites[1], r, 1, "2")
	e.tell(one, u)
	for _, gone := range []block.CID{r.Base, u.Update().Manifest} {
		one.Step(e.now, runs.Lost{Manifest: gone})
		var again *runs.Fetch
		for _, j := range one.Ready().Jobs {
			if f, ok := j.(runs.Fetch); ok && f.Manifest == gone {
				again = &f
			}
		}
		if again == nil {
			t.Fatalf("%s is not fetched again", gone.Short())
		}
		if heldBy(one, r, u) && gone != r.Base {
			t.Error("still taken to be held")
		}
		one.Step(e.now, runs.Fetched{Manifest: gone, Layout: again.Layout})
	}
	one.Ready()
	one.Step(e.now, runs.Lost{Manifest: block.Sum(block.Raw, []byte("another"))})
	fetches := slices.ContainsFunc(one.Ready().Jobs, func(j runs.Job) bool { _, ok := j.(runs.Fetch); return ok })
	if !heldBy(one, r, u) || fetches {
		t.Error("not held after the second fetch")
	}
}

// TestFreshOutlivesLate: when a late update of a site has counted, a fresh one that came too late for that
// seal stays, since it may count in the next.
func TestFreshOutlivesLate(t *testing.T) {
	e, r := openedEnv(t, 3)
	one := e.sites[0]
	late := e.offer(e.sites[3], r, 1, "late")
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.pass(time.Minute, func() bool { return r.Round == 2 })
	e.tell(one, late)
	fresh := e.offer(e.sites[3], r, 1, "fresh")
	e.tell(one, fresh)
	one.decideAlone(e.sealOf(r, late))
	one.decideAlone(e.next(ledger.Entry{Body: &ledger.Commit{Run: r.ID, Round: 2, Seal: r.Latest().CID, Model: block.Sum(block.DagCBOR, []byte("2"))}}))
	if heldBy(one, r, late) || !heldBy(one, r, fresh) {
		t.Errorf("keeps the late one: %v, the fresh one: %v", heldBy(one, r, late), heldBy(one, r, fresh))
	}
}
