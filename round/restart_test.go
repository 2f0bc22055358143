package round

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// wants reports whether a site is ready for a candidate that f accepts.
func (s *simSite) wants(f func(ledger.Decision) bool) bool {
	for _, c := range s.consensus.Snapshot().Candidates {
		if c.Entry != nil && c.Ready[s.self] && f(c.Entry.(*ledger.Entry).Body) {
			return true
		}
	}
	return false
}

// TestTimesCountFromTheStart: a log has no clock. What was sealed before a restart is sought as long as
// ever after it, and who is awaited is awaited as long.
func TestTimesCountFromTheStart(t *testing.T) {
	t.Run("a seal", func(t *testing.T) {
		e, _ := openedEnv(t, 1)
		e.now += time.Hour
		e.idle = true
		for _, s := range e.sites {
			e.trained(s)
		}
		e.stabilize()
		e.now += time.Hour
		one := e.sites[0]
		for _, u := range one.ledger.Runs()[0].Latest().Updates {
			delete(e.holds, u.Update.Update().Manifest)
		}
		for _, s := range e.sites {
			e.crash(s)
			e.restart(s)
		}
		givenUp := func(after time.Duration) bool {
			one.Step(e.now+after, Alarm{})
			return one.wants(func(d ledger.Decision) bool {
				seal, again := d.(*ledger.Seal)
				_, void := d.(*ledger.Void)
				return void || again && seal.Number > 0
			})
		}
		if givenUp(e.timing.Unavailable - time.Second) {
			t.Error("given up too early")
		}
		if !givenUp(e.timing.Unavailable + time.Second) {
			t.Error("never given up")
		}
	})
	t.Run("a round", func(t *testing.T) {
		e, _ := openedEnv(t, 1)
		e.now += time.Hour
		one := e.sites[0]
		e.crash(one)
		e.restart(one)
		e.now += time.Minute
		for _, s := range e.sites[:3] {
			e.trained(s)
		}
		e.stabilize()
		e.now += 30 * time.Second
		e.step(one, Alarm{})
		seals := func() bool {
			return one.wants(func(d ledger.Decision) bool { _, ok := d.(*ledger.Seal); return ok })
		}
		if seals() {
			t.Error("seals after half the time that the fewest updates took")
		}
		e.now += 40 * time.Second
		e.step(one, Alarm{})
		if !seals() {
			t.Error("does not seal after as long again as the fewest updates took")
		}
	})
}

// TestLostLogGetsItsUpdateBack: a site that lost its log is told by the others which update it has offered, and trains none in
// its place; it announces it again, after its silence and after one more restart too.
func TestLostLogGetsItsUpdateBack(t *testing.T) {
	e, r := openedEnv(t, 2)
	s := e.sites[2]
	e.trained(s) // what it does not know of any more
	e.stabilize()
	e.crash(s)
	s.log = []Record{{Born: &Born{Mesh: s.ledger.Mesh(), Site: s.self, Lost: true}}}
	e.restart(s)
	e.pass(2*time.Second, func() bool { return false })
	if len(s.known(s.self)) != 1 {
		t.Fatal("its update has not come back")
	}
	for i := range 2 { // two more heights
		spec := e.spec(1)
		spec.Nonce[0] = byte(i + 1)
		e.open(spec)
		e.pass(time.Minute, func() bool { return s.ledger.Run(spec.ID()) != nil })
	}
	if s.voice.Muted() {
		t.Fatal("still silent")
	}
	for _, when := range []string{"after its silence", "after one more restart"} {
		e.now += time.Minute
		e.step(s, Alarm{})
		if job, trains := s.training[r.ID]; trains && job.Attempt == 1 {
			t.Errorf("%s, it trains the round again in which it has offered an update", when)
		}
		e.crash(s)
		e.restart(s)
		e.stabilize()
	}
}

// TestChangedConsentIsRepeated: who has an older answer shows nobody that he lacks the newer, so it is
// repeated, by a restarted site too, and the older not.
func TestChangedConsentIsRepeated(t *testing.T) {
	e, r := openedEnv(t, 1)
	one := e.sites[0]
	knows := func() bool { return !e.sites[1].Participates(r.ID, one.self) }
	lose := func(d time.Duration) {
		for end := e.now + d; e.now < end; e.now += time.Second {
			e.wake()
			e.wire = nil
		}
	}
	e.step(one, runs.Considered{Run: r.ID, Accept: false})
	lose(10 * time.Minute)
	if knows() {
		t.Fatal("nothing should have arrived")
	}
	for _, restart := range []bool{false, true} {
		if restart {
			e.step(one, runs.Considered{Run: r.ID, Accept: true})
			e.step(one, runs.Considered{Run: r.ID, Accept: false})
			e.tell(e.sites[1], one.out.Sign(ledger.KindConsent, &ledger.Consent{Run: r.ID, Accept: true, Serial: 3}))
			lose(time.Minute)
			e.crash(one)
			e.restart(one)
			e.wire = nil
		}
		for end := e.now + time.Minute; e.now < end && !knows(); e.now += time.Second {
			e.wake()
			e.stabilize()
		}
		if !knows() {
			t.Errorf("restarted: %v: the changed answer does not arrive", restart)
		}
	}
	repeated := map[uint64]bool{}
	for end := e.now + 10*time.Minute; e.now < end; e.now += time.Second {
		e.wake()
		for _, l := range e.wire {
			if s := l.msg.Statement; s != nil && s.Kind == ledger.KindConsent && s.From == one.self {
				c, _ := ledger.BodyOf[ledger.Consent](s, ledger.KindConsent)
				repeated[c.Serial] = true
			}
		}
		e.wire = nil
	}
	if len(repeated) != 1 || !repeated[4] {
		t.Errorf("answers that are repeated: %v", repeated)
	}
}

// TestLiarIsNotAwaitedAfterARestart: evidence in the log counts at once. A site that waited for a proven liar after its
// restart would seal at its deadline only.
func TestLiarIsNotAwaitedAfterARestart(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	one, liar := e.sites[0], e.sites[3]
	e.crash(liar) // it says nothing of the run
	e.open(e.spec(1))
	e.stabilize()
	base := one.ledger.Runs()[0].Base
	for _, body := range []*ledger.Vote{{Height: 2}, {Height: 2, Entry: base}} {
		e.tell(one, liar.out.Sign(ledger.KindPrevote, body))
	}
	if len(one.Named()) != 1 {
		t.Fatal("not named")
	}
	e.crash(one)
	e.restart(one)
	e.step(one, Alarm{})
	for _, s := range e.sites[:3] {
		if !e.trained(s) {
			t.Fatalf("site %d does not train", s.num)
		}
	}
	e.stabilize()
	if one.ledger.Height() < 2 {
		t.Error("waits for a site that is proven to lie")
	}
}

// TestAskedRunAfterARestart: a run that was asked for before a restart is asked for at the first step after it.
func TestAskedRunAfterARestart(t *testing.T) {
	e := newEnv(t, 4, ledger.Byzantine)
	one := e.sites[0]
	e.open(e.spec(1))
	e.crash(one)
	e.boot(one)
	e.step(one, Alarm{}) // the first, and nothing has changed since
	if !one.wants(func(d ledger.Decision) bool { _, ok := d.(*ledger.Open); return ok }) {
		t.Error("not ready for the run that it asks for")
	}
}
