package demo

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node"
)

// newDemo returns a demo whose nodes never run.
func newDemo(t *testing.T, sites int, out *term.Out) *Demo {
	t.Helper()
	dir := t.TempDir()
	c := Config{Dir: dir, Output: filepath.Join(dir, "model.safetensors"), Sites: sites, Rounds: 40, Steps: 1000, Full: true}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	d, err := New(c, out)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Unix(0, 0)
	d.screen = newScreen(out, &d.cfg, d.mesh.Genesis, d.sites, func() time.Time { return begun.Add(100 * time.Minute) })
	d.screen.begun = begun
	return d
}

// statuses are what the nodes say after n rounds.
func statuses(d *Demo, run block.CID, n int, phase node.Phase) (all []*node.Status) {
	var history []node.RoundStatus
	for i := range n {
		r := node.RoundStatus{Round: uint64(i + 1), Model: block.Of(i).CID, Took: 71 * time.Second, Metrics: map[string]map[string]float64{}}
		for _, s := range d.sites {
			r.Metrics[s.name] = map[string]float64{"loss": 1.5}
		}
		history = append(history, r)
	}
	for range d.sites {
		all = append(all, &node.Status{Sent: 999_900_000, Received: 999_900_000, Runs: []node.RunStatus{{
			ID: run, Round: uint64(n + 1), Rounds: 40, Phase: phase, Step: 500, Steps: 1000, History: history,
			Metrics: map[string]float64{"tokens_per_second": 12345},
		}}})
	}
	return all
}

func TestFrame(t *testing.T) {
	for _, sites := range []int{2, 3, MaxSites} {
		d := newDemo(t, sites, term.New(&bytes.Buffer{}))
		run := block.Of("run").CID
		d.screen.update(run, statuses(d, run, 20, node.PhaseCommitting))
		d.screen.update(run, statuses(d, run, 20, node.PhaseTraining))
		d.screen.compare("training alone", "site-a", 1, 3)
		f := d.screen.frame()
		for line := range strings.Lines(f) {
			if ansi.StringWidth(strings.TrimRight(line, "\n")) > term.Width {
				t.Errorf("wider than %d: %s", term.Width, line)
			}
		}
		for _, text := range []string{"shakespeare", "21/40", "█████░░░░░", "12.3k", "1.500", "training alone: site-a", "1h40m"} {
			if !strings.Contains(f, text) {
				t.Errorf("%q is missing in\n%s", text, f)
			}
		}
	}
}

// TestPlainLines: without a terminal there is a line for each change, and none for anything else.
func TestPlainLines(t *testing.T) {
	var b bytes.Buffer
	d := newDemo(t, 2, term.New(&b))
	run := block.Of("run").CID
	for range 3 {
		d.screen.update(run, statuses(d, run, 0, node.PhaseTraining))
	}
	d.screen.update(run, statuses(d, run, 1, node.PhaseTraining))
	want := ` 1h40m  site-a  round 1  training
 1h40m  site-b  round 1  training
 1h40m  site-a  round 2  training
 1h40m  site-b  round 2  training
 1h40m  round 1  loss site-a 1.500, site-b 1.500  model ` + block.Of(0).CID.Short() + `, same at 2 of 2
`
	if got := strings.ReplaceAll(b.String(), "  1h40m", " 1h40m"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestResultText(t *testing.T) {
	r := &Result{Output: "x.safetensors", ModelBytes: 12345}
	for range 3 {
		r.Sites = append(r.Sites, SiteResult{Site: "site-a", Text: "shakespeare", Model: block.Of(1).CID, Base: 1.9, Alone: 1.7, Federated: 1.75, BaseOthers: 1.9, AloneOthers: 2, FederatedOthers: 1.8})
	}
	if own, others := r.Gain(); math.Abs(own+0.05) > 1e-9 || math.Abs(others-0.2) > 1e-9 {
		t.Errorf("gain %v and %v, want -0.05 and 0.2", own, others)
	}
	text := r.Text(term.New(&bytes.Buffer{}))
	for _, want := range []string{"0.200 below training alone", "0.050 above it", r.Sites[0].Model.String(), "12.3 kB"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if ansi.StringWidth(strings.TrimRight(line, "\n")) > term.Width {
			t.Errorf("too wide: %s", line)
		}
	}
}
