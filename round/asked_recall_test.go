package round

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// rollBack puts a site's log back to an earlier one, has it do what its operator asks for before anybody answers it, and connects it.
func (e *env) rollBack(s *simSite, log []Record, since ...Event) {
	e.crash(s)
	s.log = log
	e.boot(s)
	for _, ev := range since {
		e.step(s, ev)
	}
	e.connect(s)
	e.pass(3*time.Second, notYet)
}

// told returns how a site learns from another which runs the first site asks for.
func (e *env) told(by *simSite) (list []Event) {
	for _, kind := range []ledger.Kind{ledger.KindAsks, ledger.KindOpen} {
		for _, s := range e.sites[0].said(kind) {
			list = append(list, Received{From: by.self, Message: &Message{Statement: s}})
		}
	}
	return list
}

// TestRecalledAnswer: an operator who answers otherwise after a restore, on a run that is asked for, is heard, though the others have
// an answer of the same serial; an answer of the restored log is not given again in place of a newer one.
func TestRecalledAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		before, after []bool // what was answered before the snapshot, and after it
		since         []bool // what is answered after the restore
		want          bool
	}{
		"otherwise since":        {after: []bool{true}, since: []bool{false}, want: false},
		"the same since":         {after: []bool{true}, since: []bool{true}, want: true},
		"nothing since":          {after: []bool{true}, want: true},
		"a newer one than known": {before: []bool{false}, after: []bool{true}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newAskedEnv(t, 4)
			spec := e.spec(1)
			e.open(spec)
			e.stabilize()
			four := e.sites[3]
			answer := func(accept bool) Event { return runs.Considered{Run: spec.ID(), Accept: accept} }
			for _, accept := range c.before {
				e.step(four, answer(accept))
			}
			snapshot := slices.Clone(four.log)
			for _, accept := range c.after {
				e.step(four, answer(accept))
				e.stabilize()
			}
			since := e.told(e.sites[1])
			for _, accept := range c.since {
				since = append(since, answer(accept))
			}
			e.rollBack(four, snapshot, since...)
			for _, s := range e.sites {
				if got := s.Asked()[0].Consents[four.self]; got == nil || got.Accept != c.want {
					t.Errorf("site %d knows %+v", s.num, got)
				}
			}
		})
	}
}

// TestRecalledAnswerOpened: the run has been opened by the forgotten answer meanwhile; the operator's new one counts.
func TestRecalledAnswerOpened(t *testing.T) {
	e := newAskedEnv(t, 4)
	spec := e.spec(1)
	e.open(spec)
	e.stabilize()
	four, told := e.sites[3], e.told(e.sites[1])
	snapshot := slices.Clone(four.log)
	e.consents(spec.ID(), 1, 2, 4)
	e.pass(5*time.Second, func() bool { return e.sites[0].ledger.Run(spec.ID()) != nil })
	e.rollBack(four, snapshot, append(told, runs.Considered{Run: spec.ID(), Reason: "changed my mind"})...)
	for _, s := range e.sites {
		if s.Participates(spec.ID(), four.self) {
			t.Errorf("site %d believes that it takes part", s.num)
		}
	}
}

// TestRecalledList: an opener that was put back still asks for what its operator has asked for since, and for what it had asked
// for after the snapshot; what it had taken back stays taken back.
func TestRecalledList(t *testing.T) {
	e := newAskedEnv(t, 4)
	one := e.sites[0]
	taken, forgotten, wished := e.spec(1), e.spec(2), e.spec(3)
	forgotten.Name, wished.Name = "forgotten", "wished"
	e.open(taken)
	e.stabilize()
	snapshot := slices.Clone(one.log)
	e.step(one, runs.StopRun{Run: taken.ID()})
	e.step(one, runs.OpenRun{Spec: forgotten})
	e.stabilize()
	e.rollBack(one, snapshot, runs.OpenRun{Spec: wished})
	want := []block.CID{forgotten.ID(), wished.ID()}
	for _, s := range e.sites {
		var got []block.CID
		for _, k := range s.Asked() {
			got = append(got, k.Run)
		}
		if len(got) != 2 || !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) {
			t.Errorf("site %d knows of %d runs: %v, not of %v", s.num, len(got), got, want)
		}
	}
}

// TestRecallForged: a forged statement ends an answer, and its sender is asked again: what stands behind it is not taken.
func TestRecallForged(t *testing.T) {
	e, r := openedEnv(t, 1)
	two := e.sites[1]
	e.trained(two)
	e.stabilize()
	update := two.said(ledger.KindUpdate)[0]
	e.crash(two)
	two.log = slices.DeleteFunc(two.log, func(r Record) bool { return r.Statement != nil && r.Statement.Kind == ledger.KindUpdate })
	e.boot(two)
	forged := *update
	forged.Sig = slices.Clone(forged.Sig)
	forged.Sig[0] ^= 1
	for want, list := range [][]ledger.Signed{{forged, *update}, {*update}} {
		err := receiveSaid(two.Machine, e.sites[2].self, &Said{Height: 1, List: list})
		if known := two.runs.Known(r.ID, two.self); len(known) != want || err == nil && want == 0 {
			t.Errorf("%d statements: %v, %d updates are known", len(list), err, len(known))
		}
	}
}
