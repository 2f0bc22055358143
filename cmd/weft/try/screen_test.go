package try

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// newTestScreen returns the screen of a try whose nodes never run.
func newTestScreen(t *testing.T, sites int, out *term.Out) *Screen {
	t.Helper()
	c := Config{Dir: t.TempDir(), Heading: "weft try", Measure: true, Run: ledger.RunSpec{Name: "try", Rounds: 40}}
	for i := range sites {
		c.Sites = append(c.Sites, Site{Name: SiteName(i), Has: "2,298 rows", Trainer: "{synthetic: {}}"})
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	try, err := New(c, out)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Unix(0, 0)
	try.Screen.begun, try.Screen.now = begun, func() time.Time { return begun.Add(100 * time.Minute) }
	return try.Screen
}

// statuses are what the nodes say after n rounds.
func statuses(sc *Screen, run block.CID, n int, phase api.Phase) (all []*api.Status) {
	var history []api.RoundStatus
	var figures []api.ModelFigures
	for i := range n {
		r := api.RoundStatus{Round: uint64(i + 1), Model: block.Of(i).CID, Took: 71 * time.Second, Metrics: map[string]map[string]float64{}}
		for _, s := range sc.cfg.Sites {
			r.Metrics[s.Name] = map[string]float64{"loss": 1.5}
		}
		history = append(history, r)
		f := api.ModelFigures{Round: uint64(i), Sites: map[string]ledger.Measured{}}
		for k, s := range sc.cfg.Sites {
			f.Sites[s.Name] = ledger.Measured{Samples: 8, Metrics: map[string]float64{"accuracy": 0.5 + float64(k)/100}}
		}
		figures = append(figures, f)
	}
	for range sc.cfg.Sites {
		all = append(all, &api.Status{Sent: 999_900_000, Received: 999_900_000, Runs: []api.RunStatus{{
			ID: run, Round: uint64(n + 1), Rounds: 40, Phase: phase, Step: 500, Steps: 1000, History: history, Figures: figures,
			Metrics: map[string]float64{"tokens_per_second": 12345},
		}}})
	}
	return all
}

func TestFrame(t *testing.T) {
	for _, sites := range []int{1, 3, MaxSites} {
		sc := newTestScreen(t, sites, term.New(&bytes.Buffer{}))
		sc.out.Wide = term.Width
		run := block.Of("run").CID
		sc.update(run, statuses(sc, run, 20, api.PhaseCommitting), newKills(nil))
		sc.update(run, statuses(sc, run, 20, api.PhaseTraining), newKills(nil))
		sc.event("site-1 is started again")
		sc.Progress("training alone", 1, 3)
		f := sc.frame()
		for line := range strings.Lines(f) {
			if ansi.StringWidth(strings.TrimRight(line, "\n")) > term.Width {
				t.Errorf("wider than %d: %s", term.Width, line)
			}
		}
		for _, text := range []string{"2,298 rows", "21/40", "█████░░░░░", "12.3k", "1.500", "training alone", "1h40m", "is started again", "accuracy"} {
			if !strings.Contains(f, text) {
				t.Errorf("%q is missing in\n%s", text, f)
			}
		}
	}
}

// TestPlainLines: without a terminal there is a line for each round, and none for anything else.
func TestPlainLines(t *testing.T) {
	var b bytes.Buffer
	sc := newTestScreen(t, 2, term.New(&b))
	run := block.Of("run").CID
	for range 3 {
		sc.update(run, statuses(sc, run, 0, api.PhaseTraining), newKills(nil))
	}
	sc.update(run, statuses(sc, run, 1, api.PhaseTraining), newKills(nil))
	want := fmt.Sprintf("  1h40m  round 1  loss site-1 1.500, site-2 1.500  the base's accuracy 0.505  model %s, same at 2/2\n", block.Of(0).CID.Short())
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestDown: a site that is down is not waited for, and what it missed is not held against it.
func TestDown(t *testing.T) {
	sc := newTestScreen(t, 3, term.New(&bytes.Buffer{}))
	run := block.Of("run").CID
	k := newKills([]Kill{{Site: 2, Round: 1}})
	all := statuses(sc, run, 1, api.PhaseTraining)
	if late := runOf(all[1], run); !k.due(1, &api.RunStatus{Trains: 1}) || late == nil || !k.isDown(1) || k.due(1, &api.RunStatus{Trains: 1}) {
		t.Fatal("the kill is not due, or due twice")
	}
	all[1].Runs[0].History = nil
	sc.update(run, all, k)
	if len(sc.rounds) != 1 || sc.agreement(0) != "2/2" {
		t.Errorf("%d rounds, %s", len(sc.rounds), sc.agreement(0))
	}
	if back := k.back(0); len(back) != 0 {
		t.Errorf("%v is back before the round has ended", back)
	}
	if back := k.back(1); len(back) != 1 || back[0] != 1 || k.isDown(1) {
		t.Errorf("back: %v", back)
	}
}
