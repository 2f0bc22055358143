//go:build !node

package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/trace"
)

const (
	scenarioSites = 16 // that the view and the summary list
	scenarioBar   = 24
)

// scenarioView shows how a scenario goes: one goroutine tells it, another draws.
type scenarioView struct {
	s     *scenarios.Scenario
	out   *term.Out
	names []string

	mu     sync.Mutex
	at     time.Duration
	rounds uint64
	height uint64
	note   string
	phase  []string
}

func newScenarioView(s *scenarios.Scenario, out *term.Out) *scenarioView {
	v := &scenarioView{s: s, out: out}
	for _, site := range s.All() {
		v.names = append(v.names, site.Name)
	}
	v.phase = make([]string, len(v.names))
	return v
}

// watch takes in a line of the trace.
func (v *scenarioView) watch(l scenarios.Line, befell []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at = max(v.at, l.At)
	switch e := l.Event.(type) {
	case trace.Noted:
		v.note = e.Words
		v.line("%s", e.Words)
	case trace.Fault:
		v.trouble(e.Kind(), e.Trouble, befell)
	case trace.Mended:
		v.trouble(e.Kind(), e.Trouble, befell)
	case trace.Decided:
		if e.Decision.Kind == "commit" && e.Height > v.height {
			v.height, v.note = e.Height, ""
			v.rounds++
			v.line("round %d of %d", v.rounds, v.s.Run.Rounds)
		}
	}
	if l.Site >= 0 {
		v.step(l)
	}
}

// trouble tells of a fault that begins or is over.
func (v *scenarioView) trouble(event trace.Kind, t trace.Trouble, befell []string) {
	what := string(event)
	if (scenarios.Fault{Kind: t.Fault}).Moment() {
		what = "asked for"
	}
	v.note = strings.TrimSpace(fmt.Sprintf("%s: %s %s", what, t.Fault, befallen(befell)))
	v.line("%s", v.note)
}

// step notes what a site does.
func (v *scenarioView) step(l scenarios.Line) {
	switch e := l.Event.(type) {
	case trace.TrainingStarted:
		v.phase[l.Site] = "training"
	case trace.Announced:
		v.phase[l.Site] = "waiting"
	case trace.ReductionStarted:
		v.phase[l.Site] = "averaging"
	case trace.Reduced:
		v.phase[l.Site] = "agreeing"
	case trace.Up, trace.Down, trace.DiskLost:
		v.phase[l.Site] = string(e.Kind())
	case trace.Decided:
		if e.Decision.Kind == "commit" {
			v.phase[l.Site] = "has the model"
		}
	}
}

// befallen lists the sites that a fault is about, if they are few.
func befallen(names []string) string {
	if len(names) > 4 {
		return term.Plural(len(names), "site")
	}
	return strings.Join(names, ", ")
}

// nodes takes in what real nodes say.
func (v *scenarioView) nodes(at time.Duration, last []*api.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at, v.note = at, "real nodes, in real time"
	most := uint64(0)
	for i, st := range last {
		if st == nil || len(st.Runs) == 0 || i >= len(v.phase) {
			continue
		}
		v.phase[i] = string(st.Runs[0].Phase)
		most = max(most, uint64(len(st.Runs[0].History)))
	}
	if most != v.rounds {
		v.rounds = most
		v.line("real nodes: round %d of %d", most, v.s.Run.Rounds)
	}
}

// line prints a change where nothing is drawn.
func (v *scenarioView) line(format string, args ...any) {
	if !v.out.TTY {
		v.out.Printf("%8s  %s\n", term.Duration(v.at), fmt.Sprintf(format, args...))
	}
}

func (v *scenarioView) frame() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", v.out.Bold(v.s.Name), term.Plural(len(v.names), "site"), term.Duration(v.at))
	fmt.Fprintf(&b, "%s  round %d/%d\n\n", v.out.Busy(term.Bar(scenarioBar, v.rounds, uint64(v.s.Run.Rounds))), v.rounds, v.s.Run.Rounds)
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, term.Column{Name: "phase"})
	for i, name := range v.names[:min(len(v.names), scenarioSites)] {
		t.Row(name, v.phase[i])
	}
	b.WriteString(t.Text(v.out.Columns(), v.out.Dim))
	if more := len(v.names) - scenarioSites; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	if v.note != "" {
		fmt.Fprintf(&b, "\n%s\n", v.note)
	}
	return b.String()
}

// scenarioSummary is a recording for people.
func scenarioSummary(r *scenarios.Recording, out *term.Out, page string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s  %s, %s, %s of %d, in %s\n", out.Bold(r.Scenario.Name), r.Driver, term.Plural(len(r.Sites), "site"),
		term.Plural(len(r.RoundEnds()), "round"), r.Scenario.Run.Rounds, term.Duration(r.Took))
	fmt.Fprintf(&b, "%s\n\n", out.Dim(r.Scenario.About))
	num := func(name string) term.Column { return term.Column{Name: name, Right: true} }
	t := term.NewTable(term.Column{Name: "site", Shrink: true}, num("rounds"), num("sent"), num("received"),
		term.Column{Name: "alone", Right: true, Optional: true}, term.Column{Name: "federated", Right: true, Optional: true},
		term.Column{Name: "named as liars", Shrink: true, Optional: true})
	for _, s := range r.Sites[:min(len(r.Sites), scenarioSites)] {
		name := s.Name
		if s.Adversary != "" {
			name += " " + out.Bad("("+s.Adversary+")")
		}
		t.Row(name, strconv.FormatUint(s.Rounds, 10), term.Bytes(s.Sent.Bytes()), term.Bytes(s.Received.Bytes()),
			lastLoss(r, scenarios.Alone, s.Name), lastLoss(r, scenarios.Federated, ""), strings.Join(s.Named, ", "))
	}
	b.WriteString(t.Text(out.Columns(), out.Dim))
	if more := len(r.Sites) - scenarioSites; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	if loss := lastLoss(r, scenarios.Pooled, ""); loss != "" {
		fmt.Fprintf(&b, "%s\n", out.Dim("losses in nats per byte on all kinds of text; of one trainer on all text "+loss))
	}
	if r.Broken != "" {
		fmt.Fprintf(&b, "\n%s %s\n", out.Bad("a promise of the protocol is broken:"), r.Broken)
	}
	if len(r.Verdicts) > 0 {
		b.WriteString("\n")
		t = term.NewTable(term.Column{}, term.Column{Shrink: true}, term.Column{Shrink: true})
		for _, v := range r.Verdicts {
			mark := out.Good("ok")
			if !v.Held {
				mark = out.Bad("NO")
			}
			t.Row(mark, v.Expected, v.Got)
		}
		b.WriteString(t.Text(out.Columns(), nil))
	}
	if page != "" && !outfile.IsStdout(page) {
		fmt.Fprintf(&b, "\n%s\n", out.Bold(page))
	}
	fmt.Fprintf(&b, "again: %s\n", r.Replay)
	return b.String()
}

// lastLoss is the loss of a curve's last model on all kinds of text, or "".
func lastLoss(r *scenarios.Recording, name scenarios.CurveName, site string) string {
	c := r.Curve(name, site)
	if c == nil || len(c.Points) == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", c.Points[len(c.Points)-1].All)
}
