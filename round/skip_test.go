package round

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// skip ends a site's training under way without an update; it reports whether there was one.
func (e *env) skip(s *simSite, reason string) bool {
	for run, j := range s.training {
		delete(s.training, run)
		e.step(s, runs.Skipped{Run: run, Round: j.Round, Opened: j.Opened, Reason: reason})
		return true
	}
	return false
}

// skips are the sites that skip the first run's round, as far as a site knows, with their reasons.
func (s *simSite) skips() map[string]string {
	reasons := map[string]string{}
	for _, site := range s.roster().Sites() {
		if b := s.Said(s.ledger.Runs()[0].ID, site.ID).Skips; b != nil {
			reasons[site.Name] = b.Reason
		}
	}
	return reasons
}

// commits returns how many rounds of the first run a site has seen committed.
func (s *simSite) commits() int { return len(s.ledger.Runs()[0].Commits) }

// TestSkip: a site that skips a round is not awaited in it, and trains again in the next one.
func TestSkip(t *testing.T) {
	e, _ := openedEnv(t, 2)
	four := e.sites[3]
	if !e.skip(four, "no new cases") || e.skip(four, "") {
		t.Fatal("a site that has skipped trains on")
	}
	e.stabilize()
	for _, s := range e.sites {
		if got := s.skips(); len(got) != 1 || got["4"] != "no new cases" {
			t.Errorf("site %d knows of %v", s.num, got)
		}
	}
	for _, s := range e.sites[:3] {
		e.trained(s)
	}
	e.stabilize() // no time passes: nobody's deadline does
	if n := e.sites[0].commits(); n != 1 {
		t.Fatalf("%d rounds are committed: the others wait for who has skipped", n)
	}
	if got := four.skips(); len(got) != 0 {
		t.Errorf("skipped in the next round: %v", got)
	}
	for _, s := range e.sites {
		if !e.trained(s) {
			t.Errorf("site %d does not train in the next round", s.num)
		}
	}
	e.stabilize()
	if c := e.sites[0].ledger.Runs()[0].Commits; len(c) != 2 || len(c[1].Sealed.Updates) != 4 {
		t.Errorf("%d rounds are committed", len(c))
	}
}

// TestSkipSurvives: a skip is durable before it is sent, and is said again after a restart to who has not heard it.
func TestSkipSurvives(t *testing.T) {
	e, _ := openedEnv(t, 1)
	one, four := e.sites[0], e.sites[3]
	e.crash(one)
	e.skip(four, "no new cases")
	said := four.log[len(four.log)-1].Statement
	if said == nil || said.Kind != ledger.KindSkip {
		t.Fatalf("the log ends with %+v", four.log[len(four.log)-1])
	}
	e.stabilize()
	e.crash(four)
	e.restart(one)
	e.restart(four)
	e.pass(time.Minute, func() bool { return len(one.skips()) > 0 })
	if got := one.skips(); got["4"] != "no new cases" {
		t.Errorf("site 1 knows of %v", got)
	}
}

// TestSkippedByTooMany: where a round waits for too few updates, who has skipped it is asked again, ever more seldom, and may skip
// once more; an update that comes of it counts.
func TestSkippedByTooMany(t *testing.T) {
	e, _ := openedEnv(t, 1)
	e.now += 10 * time.Minute
	for _, s := range e.sites[:2] {
		e.trained(s)
	}
	three, four := e.sites[2], e.sites[3]
	e.skip(three, "no new cases")
	e.skip(four, "the disk is full")
	asked := func(within time.Duration) bool {
		e.pass(within, func() bool { return len(three.training) > 0 })
		return len(three.training) > 0
	}
	if asked(9 * time.Minute) {
		t.Error("asked again at once")
	}
	if !asked(2 * time.Minute) {
		t.Fatal("never asked again")
	}
	if e.skip(three, "still none"); len(three.skips()) != 2 || three.skips()["3"] != "no new cases" {
		t.Errorf("a second skip is told as another: %v", three.skips())
	}
	if asked(19*time.Minute) || !asked(2*time.Minute) {
		t.Fatal("asked again, but not after as long again as the round has been open")
	}
	e.trained(three)
	e.stabilize()
	e.pass(time.Minute, func() bool { return e.sites[0].commits() == 1 })
	if c := e.sites[0].ledger.Runs()[0].Commits; len(c) != 1 || len(c[0].Sealed.Updates) != 3 {
		t.Errorf("%d rounds are committed", len(c))
	}
}

// TestSkipOrWait: as long as others may yet offer, who has skipped is left alone, but not for ever: they may be liars.
func TestSkipOrWait(t *testing.T) {
	e, _ := openedEnv(t, 1)
	three, four := e.sites[2], e.sites[3]
	e.skip(three, "no new cases")
	e.trained(e.sites[0])
	e.trained(e.sites[1])
	asked := func() bool { return len(three.training) > 0 } // as site 4 says nothing
	if e.pass(10*time.Minute-time.Second, asked); asked() {
		t.Error("asked again while another may offer")
	}
	if e.pass(2*time.Second, asked); !asked() {
		t.Error("never asked again")
	}
	e.skip(three, "still none")
	e.trained(four)
	e.stabilize()
	if e.pass(time.Minute, func() bool { return four.commits() == 1 }); four.commits() != 1 {
		t.Error("the round has not come to its end")
	}
}

// TestSkipTooLate: a skip of another opening than the current one, or of no opening at all, changes nothing.
func TestSkipTooLate(t *testing.T) {
	e, r := openedEnv(t, 2)
	four := e.sites[3]
	stale := four.out.Sign(ledger.KindSkip, &ledger.Skip{Run: r.ID, Round: 1, Opened: r.Opened, Reason: "late"})
	wrong := four.out.Sign(ledger.KindSkip, &ledger.Skip{Run: r.ID, Round: 2, Opened: r.Opened, Reason: "wrong"})
	e.tell(e.sites[0], wrong)
	if got := e.sites[0].skips(); len(got) != 0 {
		t.Errorf("of another round: %v", got)
	}
	for _, s := range e.sites {
		e.trained(s)
	}
	e.stabilize()
	e.tell(e.sites[0], stale)
	if got := e.sites[0].skips(); len(got) != 0 || e.sites[0].commits() != 1 {
		t.Errorf("of the round before: %v", got)
	}
}

// TestSkipOfAnAttempt: a site that has offered its update does not take it back by skipping a further attempt.
func TestSkipOfAnAttempt(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	spec := e.spec(1)
	spec.Attempts = 3
	e.open(spec)
	e.stabilize()
	one := e.sites[0]
	e.trained(one)
	e.pass(time.Hour, func() bool { return len(one.training) > 0 })
	if !e.skip(one, "enough") {
		t.Fatal("it does not train on")
	}
	e.stabilize()
	if got := e.sites[1].skips(); len(got) != 0 || len(e.sites[1].known(one.self)) != 1 {
		t.Errorf("skipped: %v", got)
	}
	e.trained(e.sites[1])
	e.trained(e.sites[2])
	e.pass(time.Minute, func() bool { return one.commits() == 1 })
	if c := one.ledger.Runs()[0].Commits; len(c) != 1 || len(c[0].Sealed.Updates) < 3 {
		t.Errorf("%d rounds are committed", len(c))
	}
}
