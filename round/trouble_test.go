package round

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// troubles are what goes wrong at the sites in the first run, as far as a site knows.
func (s *simSite) troubles() map[string][]ledger.TroubleClass {
	all := map[string][]ledger.TroubleClass{}
	run := s.ledger.Runs()[0].ID
	for _, site := range s.roster().Sites() {
		if b := s.Said(run, site.ID).Trouble; b != nil && len(b.Classes) > 0 {
			all[site.Name] = b.Classes
		}
	}
	return all
}

// TestTroubleTravels: the others know what goes wrong at a site, until it says that nothing does any more, also after a restart;
// and it is said once.
func TestTroubleTravels(t *testing.T) {
	e, r := openedEnv(t, 1)
	one, four := e.sites[0], e.sites[3]
	e.step(four, runs.Troubled{Run: r.ID})
	if len(four.log) > 0 && isTrouble(four.log[len(four.log)-1]) {
		t.Fatal("a site says that nothing goes wrong any more, having said nothing before")
	}
	fails := runs.Troubled{Run: r.ID, Classes: []ledger.TroubleClass{ledger.DiskFull, ledger.TrainingFails}}
	e.crash(one)
	e.step(four, fails)
	if !isTrouble(four.log[len(four.log)-1]) {
		t.Fatalf("the log ends with %+v", four.log[len(four.log)-1])
	}
	before := len(four.log)
	e.step(four, fails)
	if len(four.log) != before {
		t.Error("the same is said again")
	}
	e.stabilize()
	e.crash(four)
	e.restart(one)
	e.restart(four)
	e.pass(time.Minute, func() bool { return len(one.troubles()) > 0 })
	if got := one.troubles()["4"]; !slices.Equal(got, fails.Classes) {
		t.Fatalf("site 1 knows of %v", got)
	}
	e.step(four, runs.Troubled{Run: r.ID})
	e.stabilize()
	for _, s := range e.sites {
		if got := s.troubles(); len(got) > 0 {
			t.Errorf("site %d still knows of %v", s.num, got)
		}
	}
}

func isTrouble(r Record) bool { return r.Statement != nil && r.Statement.Kind == ledger.KindTrouble }

// TestTroubleDecidesNothing: who says that all goes wrong at it is awaited as before, and its update counts.
func TestTroubleDecidesNothing(t *testing.T) {
	e, r := openedEnv(t, 1)
	four := e.sites[3]
	e.step(four, runs.Troubled{Run: r.ID, Classes: ledger.TroubleClasses})
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.stabilize() // no time passes: nobody's deadline does
	if n := e.sites[0].commits(); n != 0 {
		t.Fatal("a site that says it has trouble is not awaited: a liar's word would decide whose updates count")
	}
	e.trained(four)
	e.stabilize()
	if c := e.sites[0].ledger.Runs()[0].Commits; len(c) != 1 || len(c[0].Sealed.Updates) != 4 {
		t.Errorf("%d rounds are committed", len(c))
	}
}

// TestTroubleRecalled: a site whose log was put back to before it said something goes on with a higher serial than that had.
func TestTroubleRecalled(t *testing.T) {
	e, r := openedEnv(t, 1)
	four := e.sites[3]
	e.stabilize()
	log := slices.Clone(four.log)
	e.step(four, runs.Troubled{Run: r.ID, Classes: []ledger.TroubleClass{ledger.LinkDown}})
	e.stabilize()
	e.crash(four)
	four.log = log
	e.restart(four)
	e.pass(time.Minute, func() bool { return len(four.troubles()) > 0 })
	e.step(four, runs.Troubled{Run: r.ID, Classes: []ledger.TroubleClass{ledger.DiskFull}})
	e.pass(time.Minute, func() bool { return slices.Equal(e.sites[0].troubles()["4"], []ledger.TroubleClass{ledger.DiskFull}) })
	if got := e.sites[0].troubles()["4"]; !slices.Equal(got, []ledger.TroubleClass{ledger.DiskFull}) {
		t.Errorf("site 1 knows of %v", got)
	}
}
