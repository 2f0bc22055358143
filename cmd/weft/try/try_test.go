package try

import (
	"bytes"
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
	for text, ok := range map[string]bool{"accuracy:max": true, "val_loss:min": true, "accuracy": false, ":max": false, "a:most": false} {
		if b, err := ParseBest(text); (err == nil) != ok || ok && b.Metric == "" {
			t.Errorf("%q: %v, %v", text, b, err)
		}
	}
}

func TestValidate(t *testing.T) {
	ok := func() Config {
		return Config{Sites: make([]Site, 3), Run: ledger.RunSpec{Rounds: 4}, Measure: true, Best: &Best{"loss", false}, Kills: []Kill{{2, 3}}}
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

// TestResult: the best model is that whose mean over all sites is best; who never counted is named.
func TestResult(t *testing.T) {
	r := &Result{Base: block.Of("base").CID, Model: block.Of(2).CID, Rounds: []api.RoundStatus{{Model: block.Of(1).CID}, {Model: block.Of(2).CID}}}
	for i := range 2 {
		r.Sites = append(r.Sites, SiteResult{Site: SiteName(i), Model: r.Model, Rounds: i})
	}
	two := func(a, b float64) Figures { return Figures{"site-1": {"accuracy": a}, "site-2": {"accuracy": b}} }
	r.Measured = []Figures{two(0.1, 0.3), two(0.5, 0.9), two(0.7, 0.7)}
	if err := r.choose(&Best{"accuracy", true}); err != nil || r.Best == nil || r.Best.Round != 1 || r.Best.Model != block.Of(1).CID {
		t.Errorf("best: %+v", r.Best)
	}
	r.Best, r.Measured[1] = nil, Figures{} // an evaluation that fails moves no other
	if err := r.choose(&Best{"accuracy", true}); err != nil || r.Best.Round != 2 || r.Best.Model != block.Of(2).CID {
		t.Errorf("best of those that are measured: %+v, %v", r.Best, err)
	}
	r.Best = nil
	if err := r.choose(&Best{"gain", true}); err == nil || !strings.Contains(err.Error(), `"gain" at every site; the sites measured: accuracy`) {
		t.Errorf("a figure that there is not: %v", err)
	}
	if err := r.choose(&Best{"accuracy", false}); err != nil || r.Best == nil || r.Best.Round != 0 || r.Best.Model != r.Base {
		t.Errorf("least: %+v", r.Best)
	}
	if idle := r.Idle(); !slices.Equal(idle, []string{"site-1"}) {
		t.Errorf("idle: %v", idle)
	}
	out := term.New(&bytes.Buffer{})
	out.Wide = term.Width
	text := r.Text(out)
	for _, want := range []string{"0.2 ± 0.1", "0.7 ± 0", "best", "same model at 2 of 2 sites"} {
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
