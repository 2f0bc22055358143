package round

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// crossingEnv is measuringEnv of a run that asks for cross-site evaluation, whose site 4 lends its update to nobody.
func crossingEnv(t *testing.T, protocol uint64) (*env, *ledger.Run) {
	t.Helper()
	g := testGenesis(4, ledger.Byzantine)
	g.Under(protocol, "test")
	return measuringEnvOf(t, g, ledger.Terms{Cross: ledger.CrossLast})
}

// TestCheckCross: rows stand in the entry only of updates of the last seal that their author has lent, or that are one's own.
func TestCheckCross(t *testing.T) {
	e, r := crossingEnv(t, ledger.CrossProtocol)
	l := e.sites[0].ledger
	figures := ledger.NewFigures(ledger.Measured{Samples: 1, Metrics: map[string]float64{"loss": 1}})
	row := func(of int) ledger.CrossRow {
		return ledger.CrossRow{Site: e.sites[of-1].self, Samples: 1, Metrics: map[string]float64{"loss": 1}}
	}
	check := func(by int, cross ledger.CrossRows) error {
		s := e.sites[by-1].out.Sign(ledger.KindMeasured, &ledger.LastMeasured{Run: r.ID, Model: r.Base, Figures: figures, Cross: cross})
		list := []ledger.Signed{{From: s.From, Kind: s.Kind, Body: s.Body, Sig: s.Sig}} // as others read it
		return l.Check(e.next(ledger.Entry{Body: &ledger.Closing{Run: r.ID, Figures: list}}))
	}
	for by := 1; by <= 4; by++ {
		rows := []ledger.CrossRow{row(1), row(2), row(3)}
		if err := check(by, ledger.NewCrossRows(rows)); err != nil {
			t.Errorf("by %d: %v", by, err)
		}
		err := check(by, ledger.NewCrossRows(append(rows, row(4))))
		if by == 4 && err != nil {
			t.Errorf("its own: %v", err)
		} else if by < 4 {
			wantInvalid(t, err, "no update of")
		}
	}
	many := row(1)
	many.Metrics = map[string]float64{"a": 1, "b": 1, "c": 1, "d": 1}
	none := row(1)
	none.Samples = 0
	wantInvalid(t, check(1, ledger.NewCrossRows([]ledger.CrossRow{row(2), row(1)})), "ascend")
	wantInvalid(t, check(1, ledger.NewCrossRows([]ledger.CrossRow{many})), "4 metrics")
	wantInvalid(t, check(1, ledger.NewCrossRows([]ledger.CrossRow{none})), "0 samples")
	wantInvalid(t, check(1, ledger.CrossRows{Passed: []byte{1}}), "cross: ")

	old, r := crossingEnv(t, ledger.SelectionProtocol)
	if r.Terms != (ledger.Terms{}) || len(r.Crossed()) > 0 {
		t.Errorf("terms under protocol 3, whose programs cannot read them: %+v", r.Terms)
	}
	if got := old.sites[1].measuring[0].Updates; got != nil {
		t.Errorf("asked for %v", got)
	}
	e, l = old, old.sites[0].ledger
	if err := check(1, ledger.CrossRows{Passed: []byte{1}}); err != nil {
		t.Errorf("under protocol 3 validity passes over rows: %v", err)
	}
}

// TestCrossAsked: each site is asked for the last model and for the updates that it may measure, and states what it has found as
// far as there is room; all that is found is in the ledger.
func TestCrossAsked(t *testing.T) {
	e, r := crossingEnv(t, ledger.CrossProtocol)
	for _, s := range e.sites {
		j := s.measuring[0]
		want := 3
		if s.num == 4 {
			want = 4
		}
		if len(j.Updates) != want {
			t.Fatalf("site %d is asked for %d updates, want %d", s.num, len(j.Updates), want)
		}
		answer := runs.Measured{Run: j.Run, Model: j.Model, Figures: ledger.Measured{Samples: 10, Metrics: map[string]float64{"loss": 1}, Took: 1}}
		for _, u := range j.Updates {
			metrics := map[string]float64{}
			for i := range 5 {
				metrics[fmt.Sprint(i, strings.Repeat("n", ledger.MaxName-1))] = float64(e.num(u.Site))
			}
			answer.Cross = append(answer.Cross, ledger.CrossRow{Site: u.Site, Samples: 10, Metrics: metrics})
		}
		s.measuring = nil
		e.step(s, answer)
	}
	e.pass(time.Minute, func() bool { return r.Closing != nil })
	if r.Closing == nil {
		t.Fatal("no closing entry")
	}
	of := r.Closing.Cross()
	if len(of) != 4 || len(of[e.sites[3].self]) != 4 || len(of[e.sites[0].self]) != 3 || r.Crossed() != nil {
		t.Errorf("rows %+v", of)
	}
	for _, rows := range of {
		for _, row := range rows {
			if len(row.Metrics) != ledger.MaxCrossMetrics || row.Metrics["0"+strings.Repeat("n", ledger.MaxName-1)] != float64(e.num(row.Site)) {
				t.Errorf("row %+v", row)
			}
		}
	}
}

// TestCrossRoom: sixteen rows of metrics with the longest names fit a statement with the most figures, one metric at least.
func TestCrossRoom(t *testing.T) {
	figures := ledger.Measured{Samples: ledger.MaxSamples, Took: 1 << 62, Metrics: map[string]float64{}}
	for i := range ledger.MaxFigures {
		figures.Metrics[fmt.Sprint(i, strings.Repeat("n", ledger.MaxName-1))] = 0.1
	}
	e := newEnv(t, 4, ledger.Byzantine)
	var rows []ledger.CrossRow
	for i := range ledger.MaxCross {
		rows = append(rows, ledger.CrossRow{Site: testID(i), Samples: ledger.MaxSamples, Metrics: map[string]float64{strings.Repeat("n", ledger.MaxName): 0.1}})
	}
	spec := e.spec(1)
	s := e.sites[0].out.Sign(ledger.KindMeasured, &ledger.LastMeasured{Run: spec.ID(), Model: spec.Base, Figures: ledger.NewFigures(figures), Cross: ledger.NewCrossRows(rows)})
	if size := s.Size(); size > e.genesis.Roster().UpdateBytes() {
		t.Errorf("%d bytes, an entry has room for %d", size, e.genesis.Roster().UpdateBytes())
	}
}

// TestCrossWaits: who measures sixteen updates may take longer than who measures the last model alone.
func TestCrossWaits(t *testing.T) {
	e, r := crossingEnv(t, ledger.CrossProtocol) // an evaluation took 40 s
	e.measured(e.sites[0], 0.5)
	for _, s := range e.sites[1:] {
		e.measured(s)
	}
	said := e.now
	e.pass(time.Hour, func() bool { return r.Closing != nil })
	if took := e.now - said; r.Closing == nil || took < 5*75*time.Second {
		t.Errorf("closing %+v after %v", r.Closing, took)
	}
}

func FuzzCrossRows(f *testing.F) {
	f.Add([]byte(ledger.NewCrossRows([]ledger.CrossRow{{Site: testID(1), Samples: 1, Metrics: map[string]float64{"loss": 1}}}).Passed))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := ledger.CrossRows{Passed: data}.Read()
		if err != nil || len(rows) == 0 {
			return
		}
		again, err := ledger.NewCrossRows(rows).Read()
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%v become %v: %v", rows, again, err)
		}
		if !slices.IsSortedFunc(again, func(a, b ledger.CrossRow) int { return ledger.CompareIDs(a.Site, b.Site) }) {
			t.Fatal("not in order")
		}
	})
}
