package try

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Kill{"2@3": {2, 3}, "2": {}, "@": {}, "a@1": {}, "1@-1": {}} {
		if k, err := ParseKill(text); k != want && err == nil || (err == nil) != (want.Site > 0) {
			t.Errorf("%q: %v, %v", text, k, err)
		}
	}
}

func TestValidate(t *testing.T) {
	ok := func() Config {
		return Config{Sites: make([]Site, 3), Run: ledger.RunSpec{Rounds: 4}, Measure: true, Best: &ledger.Best{Metric: "loss", Mode: ledger.Min, By: ledger.ByMean}, Kills: []Kill{{2, 3}}}
	}
	for name, edit := range map[string]func(*Config){
		"": func(*Config) {}, "0 sites": func(c *Config) { c.Sites = nil }, "17 sites": func(c *Config) { c.Sites = make([]Site, 17) },
		"0 rounds": func(c *Config) { c.Run.Rounds = 0 }, "measured": func(c *Config) { c.Measure = false },
		"there are 3 sites": func(c *Config) { c.Kills[0].Site = 4 }, "2 sites are killed": func(c *Config) { c.Kills = []Kill{{1, 2}, {2, 2}} }, "from 1 to 3": func(c *Config) { c.Kills[0].Round = 4 },
		"cannot go on without one": func(c *Config) { c.Sites, c.Kills[0].Site = c.Sites[:2], 1 },
	} {
		c := ok()
		edit(&c)
		if err := c.Validate(); (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestResult: figures are weighted by samples; the best model is told with them; who never counted is named.
func TestResult(t *testing.T) {
	r := &Result{Base: block.Of("base").CID, Model: block.Of(2).CID, Rounds: []api.RoundStatus{{Model: block.Of(1).CID}, {Model: block.Of(2).CID}}}
	for i := range 2 {
		r.Sites = append(r.Sites, SiteResult{Site: SiteName(i), Model: r.Model, Rounds: i})
	}
	two := func(a, b float64) Figures {
		of := func(v float64, samples uint64) ledger.Measured {
			return ledger.Measured{Samples: samples, Metrics: map[string]float64{"accuracy": v}}
		}
		return Figures{"site-1": of(a, 30), "site-2": of(b, 10)}
	}
	r.Measured = []Figures{two(0.1, 0.3), two(0.5, 0.9), two(0.7, 0.7)}
	by := &ledger.Best{Metric: "accuracy", Mode: ledger.Max, By: ledger.ByMean}
	if err := r.choose(by, &api.BestModel{Round: 1, Model: block.Of(1).CID}); err != nil || r.Best.Model != block.Of(1).CID || math.Abs(r.Best.Value-0.6) > 1e-12 {
		t.Errorf("best: %+v, %v", r.Best, err)
	}
	if err := r.choose(&ledger.Best{Metric: "gain"}, nil); err == nil || !strings.Contains(err.Error(), `"gain"; the sites measured: accuracy`) {
		t.Errorf("a figure that there is not: %v", err)
	}
	if idle := r.Idle(); !slices.Equal(idle, []string{"site-1"}) {
		t.Errorf("idle: %v", idle)
	}
	out := term.New(&bytes.Buffer{})
	out.Wide = term.Width
	text := r.Text(out)
	for _, want := range []string{"0.15 ± 0.087", "0.7 ± 0", "best", "same model at 2 of 2 sites"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if ansi.StringWidth(strings.TrimRight(line, "\n")) > term.Width && !strings.Contains(line, "bafy") {
			t.Errorf("too wide: %s", line)
		}
	}
}

// TestQuorum: the quorum that kills are checked by is the mesh's.
func TestQuorum(t *testing.T) {
	for n := 1; n <= MaxSites; n++ {
		if got := newTestScreen(t, n, term.New(&bytes.Buffer{})).mesh.Roster().Quorum(); got != quorum(n) {
			t.Errorf("of %d sites %d, want %d", n, quorum(n), got)
		}
	}
}
