package round

import (
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// measuringEnv returns a mesh of four whose sites measure models, after the last round of a run of one.
func measuringEnv(t *testing.T, terms ledger.Terms) (*env, *ledger.Run) {
	t.Helper()
	g := testGenesis(4, ledger.Byzantine)
	g.Under(ledger.SelectionProtocol, "test")
	return measuringEnvOf(t, g, terms)
}

// measuringEnvOf is measuringEnv for the mesh of a genesis.
func measuringEnvOf(t *testing.T, g *ledger.Genesis, terms ledger.Terms) (*env, *ledger.Run) {
	t.Helper()
	e := newEnvOf(t, g, 0)
	for _, s := range e.sites {
		s.figures = &ledger.Measured{Samples: 10, Metrics: map[string]float64{"loss": float64(s.num)}, Took: 40_000}
	}
	spec := e.spec(1)
	spec.Selection = ledger.NewSelection(terms)
	e.open(spec)
	e.stabilize()
	for _, s := range e.sites {
		e.trained(s)
	}
	e.pass(time.Minute, func() bool { return len(e.sites[0].ledger.Runs()[0].Commits) == 1 })
	e.stabilize()
	return e, e.sites[0].ledger.Runs()[0]
}

// measured has a site answer the question for its figures of the last model.
func (e *env) measured(s *simSite, loss ...float64) {
	j := s.measuring[0]
	s.measuring = nil
	answer := runs.Measured{Run: j.Run, Model: j.Model}
	if len(loss) > 0 {
		answer.Figures = ledger.Measured{Samples: 10, Metrics: map[string]float64{"loss": loss[0]}, Took: 1}
	}
	e.step(s, answer)
}

// TestClosing: the entry is there when all who measured models before have said theirs, after a restart of one of them too.
func TestClosing(t *testing.T) {
	e, r := measuringEnv(t, ledger.Terms{Best: &ledger.Best{Metric: "loss", Mode: ledger.Min, By: ledger.ByMean}})
	if !r.Measurable() || r.Best().Round != 0 {
		t.Fatalf("measurable: %v, best %+v", r.Measurable(), r.Best())
	}
	for _, s := range e.sites[:3] {
		e.measured(s, 0.5)
	}
	e.stabilize()
	if r.Closing != nil {
		t.Fatal("closed without the fourth")
	}
	e.crash(e.sites[0])
	e.restart(e.sites[0])
	if n := len(e.sites[0].measuring); n != 0 {
		t.Errorf("it is asked again after a restart: %d", n)
	}
	e.measured(e.sites[3], 0.5)
	e.pass(time.Minute, func() bool { return e.sites[3].ledger.Runs()[0].Closing != nil })
	r = e.sites[3].ledger.Runs()[0]
	if r.Closing == nil || len(r.Closing.Figures) != 4 || r.Measurable() || r.Best().Round != 1 || r.Best().Model != r.Base {
		t.Errorf("closing %+v, best %+v", r.Closing, r.Best())
	}
}

// TestClosingWaits: sites that say nothing are waited for twice as long as the slowest evaluation took, from the last that says
// something; then they are left out, all of them if need be.
func TestClosingWaits(t *testing.T) {
	for _, say := range []int{0, 1, 2} {
		e, r := measuringEnv(t, ledger.Terms{})
		begun := e.now
		for i, s := range e.sites {
			if i < say {
				e.pass(time.Minute, func() bool { return false })
				e.measured(s, 0.5)
			} else {
				e.measured(s)
			}
		}
		said := e.now
		e.pass(time.Hour, func() bool { return r.Closing != nil })
		if r.Closing == nil || len(r.Closing.Figures) != say || r.Measurable() {
			t.Errorf("%d say something: closing %+v", say, r.Closing)
		}
		if took := e.now - said; took < 75*time.Second && say > 0 || took > 2*time.Minute {
			t.Errorf("%d say something: after %v, and %v in all", say, took, e.now-begun)
		}
	}
}

// TestClosingBusy: a site whose trainer still measures does not agree with an entry that lacks its figures, though others have
// waited long enough.
func TestClosingBusy(t *testing.T) {
	e, r := measuringEnv(t, ledger.Terms{})
	e.measured(e.sites[0], 0.5)
	e.pass(20*time.Minute, func() bool { return r.Closing != nil })
	if r.Closing != nil {
		t.Fatalf("closing %+v, and three sites still measure", r.Closing)
	}
	for _, s := range e.sites[1:] {
		e.measured(s, 0.5)
	}
	e.pass(time.Minute, func() bool { return r.Closing != nil })
	if r.Closing == nil || len(r.Closing.Figures) != 4 {
		t.Errorf("closing %+v", r.Closing)
	}
}

// TestClosingHasty: nobody agrees with an entry that comes before the figures that are expected.
func TestClosingHasty(t *testing.T) {
	e, r := measuringEnv(t, ledger.Terms{})
	liar := e.sites[3]
	b := &ledger.LastMeasured{Run: r.ID, Model: r.Base, Figures: ledger.NewFigures(ledger.Measured{Samples: 1, Metrics: map[string]float64{"loss": -1}})}
	alone := &ledger.Entry{Body: &ledger.Closing{Run: r.ID, Figures: []ledger.Signed{*liar.out.Sign(ledger.KindMeasured, b)}}}
	for _, s := range e.sites[:3] {
		if err := s.ledger.Check(e.next(*alone)); err != nil || s.runs.Agrees(e.next(*alone)) {
			t.Errorf("site %d agrees, though the others still measure (%v)", s.num, err)
		}
	}
}

// TestCheckClosing: what may stand in the entry, and when there is one.
func TestCheckClosing(t *testing.T) {
	e, r := measuringEnv(t, ledger.Terms{})
	l := e.sites[0].ledger
	figures := ledger.NewFigures(ledger.Measured{Samples: 1, Metrics: map[string]float64{"loss": 1}})
	said := func(site int, change func(*ledger.LastMeasured)) ledger.Signed {
		b := &ledger.LastMeasured{Run: r.ID, Model: r.Base, Figures: figures}
		if change != nil {
			change(b)
		}
		s := e.sites[site].out.Sign(ledger.KindMeasured, b)
		return ledger.Signed{From: s.From, Kind: s.Kind, Body: s.Body, Sig: s.Sig} // as others read it
	}
	closing := func(list ...ledger.Signed) *ledger.Entry {
		slices.SortFunc(list, func(a, b ledger.Signed) int { return ledger.CompareIDs(a.From, b.From) })
		return e.next(ledger.Entry{Body: &ledger.Closing{Run: r.ID, Figures: list}})
	}
	if err := l.Check(closing(said(0, nil), said(2, nil))); err != nil {
		t.Error(err)
	}
	forged := said(1, nil)
	forged.Sig = make([]byte, 32)
	if err := l.Check(closing()); err != nil {
		t.Errorf("nobody has measured it: %v", err)
	}
	wantInvalid(t, l.Check(closing(said(0, nil), said(0, nil))), "ascend and differ")
	wantInvalid(t, l.Check(closing(forged)), "does not verify")
	wantInvalid(t, l.Check(closing(said(0, func(m *ledger.LastMeasured) { m.Model = r.Spec.Base }))), "another model")
	wantInvalid(t, l.Check(closing(said(0, func(m *ledger.LastMeasured) { m.Figures = ledger.Figures{Passed: []byte{1}} }))), "figures: ")
	wantInvalid(t, l.Check(closing(*e.sites[0].out.Sign(ledger.KindStop, &ledger.Stop{Run: r.ID}))), "want measured")

	first, r1 := ledgerEnv(t) // under the first protocol
	wantInvalid(t, first.sites[0].ledger.Check(first.next(ledger.Entry{Body: &ledger.Closing{Run: r1.ID}})), "protocol 1 is in force")
	if r1.Measurable() {
		t.Error("a run that goes on is measurable")
	}
}
