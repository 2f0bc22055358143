package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// TestCrossTable: who measured what of whom, as a table of one metric and as CSV of all.
func TestCrossTable(t *testing.T) {
	f := func(accuracy, loss float64) api.CrossFigure {
		return api.CrossFigure{Samples: 40, Metrics: map[string]float64{"accuracy": accuracy, "loss": loss}}
	}
	r := testStatus().Runs[0]
	r.Spec = &ledger.RunSpec{Selection: ledger.NewSelection(ledger.Terms{Best: &ledger.Best{Metric: "loss", Mode: ledger.Min, By: ledger.ByMean}, Cross: ledger.CrossLast})}
	r.Cross = api.CrossFigures{"north": {"north": f(0.5, 1), "south": f(0.25, 2)}, "south": {"south": f(0.75, 0.5)}}
	out := term.New(&bytes.Buffer{})
	out.Wide = term.Width
	for metric, want := range map[string]string{
		"":              "measured by   north   south\nnorth        1.0000  2.0000\nsouth             -  0.5000\n",
		"eval_accuracy": "measured by   north   south\nnorth        0.5000  0.2500\nsouth             -  0.7500\n",
	} {
		if got := crossText(out, &r, metric); !strings.HasSuffix(got, want) {
			t.Errorf("metric %q:\n%swant\n%s", metric, got, want)
		}
	}
	if got := runText(out, &r); !strings.Contains(got, "measure each other's last updates") {
		t.Errorf("the run's terms are not told:\n%s", got)
	}
	var b bytes.Buffer
	if err := writeCross(&b, r.Cross); err != nil || b.String() != "by,of,samples,accuracy,loss\nnorth,north,40,0.5,1\nnorth,south,40,0.25,2\nsouth,south,40,0.75,0.5\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
	r.Cross = nil
	if got := crossText(out, &r, ""); got != "" {
		t.Errorf("nobody has measured: %q", got)
	}
}

// TestTermsTexts: what is asked of a site beside training is told before it takes part.
func TestTermsTexts(t *testing.T) {
	s := &ledger.RunSpec{Rule: "fedavg", Constants: ledger.NewConstants(ledger.Beside{Local: []string{"head.*", "\x1b[2J"}})}
	if got := termsTexts(s); len(got) != 1 || got[0] != `stays at each site: "head.*", "\x1b[2J"` {
		t.Errorf("%q", got)
	}
}

// TestHistoryOfSkips: a site that has skipped a round has a row.
func TestHistoryOfSkips(t *testing.T) {
	var b bytes.Buffer
	rows := []api.RoundStatus{{Round: 1, Sites: []string{"a"}, SiteSamples: map[string]uint64{"a": 5}, Weights: map[string]uint64{"a": 5}, Attempts: map[string]uint64{"a": 1}, Skipped: map[string]string{"b": "no data"}, Height: 3}}
	if err := writeHistory(&b, rows, nil); err != nil || !strings.Contains(b.String(), "\n1,b,0,0,0,skipped,") || !strings.Contains(b.String(), "\n1,a,5,5,1,,") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
