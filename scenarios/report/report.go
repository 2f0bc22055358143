package report

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-mesh/weft/scenarios"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Write writes a page about one recording, or several of one scenario side by side.
func Write(w io.Writer, recordings ...*scenarios.Recording) error {
	if len(recordings) == 0 {
		return errors.New("report: no recording")
	}
	p := page{
		Style: template.CSS(style), //nolint:gosec // our own file
		Name:  recordings[0].Scenario.Name, About: recordings[0].Scenario.About, Held: true,
	}
	var common scales
	stories := make([]*story, len(recordings))
	for i, r := range recordings {
		stories[i] = tell(r)
		common.include(r, stories[i])
	}
	for i, r := range recordings {
		p.Runs = append(p.Runs, newRun(r, stories[i], common))
		p.Held = p.Held && r.Held()
	}
	p.Side = len(p.Runs) > 1
	p.expectations(recordings)
	p.Figures = figures(recordings, p.Runs)
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// page is what page.html shows.
type page struct {
	Style       template.CSS
	Name, About string
	Held        bool
	Side        bool // several runs
	Runs        []run
	Expected    []expected
	Figures     []figure
}

// run is one recording.
type run struct {
	Driver   string
	Summary  string
	Broken   string
	Replay   string
	Mesh     template.HTML
	Timeline template.HTML
	End      template.HTML // how a round ends, close up
	Ended    uint64        // which
	Loss     template.HTML
	Accuracy template.HTML
	Own      []template.HTML
	Links    template.HTML
	Traffic  template.HTML
	Turns    []turnRow
	Sites    []siteRow
	Log      []logRow
	Omitted  int // lines of the log

	story *story
}

// expected is an expectation, and what became of it in each run.
type expected struct {
	Text string
	Got  []scenarios.Verdict
}

// figure is a number of each run.
type figure struct {
	Name string
	Got  []string
}

type turnRow struct {
	Round, Opened, Took, Updates, Share, Last, Sealed, Sealing, Deciding, Views string
}

type siteRow struct {
	Name, Region, Lies, Rounds, Model, Sent, Received, Messages, Signatures, Names string
	Down, Gone                                                                     bool
}

type logRow struct{ At, Site, Text string }

func newRun(r *scenarios.Recording, s *story, c scales) run {
	v := run{
		Driver: string(r.Driver), Summary: summary(r), Broken: r.Broken, Replay: r.Replay, Mesh: drawMesh(r), Timeline: drawTimeline(r, s, c.time),
		Loss: drawLoss(r), Accuracy: drawAccuracy(r), Own: drawOwn(r), Links: drawLinks(r, c.cell), Traffic: drawTraffic(r, c.site), story: s,
	}
	v.End, v.Ended = drawEnd(r, s)
	for _, t := range s.turns {
		if t.opened > 0 && (t.sealed > 0 || t.committed > 0) {
			v.Turns = append(v.Turns, newTurnRow(r, t))
		}
	}
	for i, site := range r.Sites {
		row := newSiteRow(site)
		row.Gone = s.gone(i)
		v.Sites = append(v.Sites, row)
	}
	v.Log, v.Omitted = newLog(r)
	return v
}

func summary(r *scenarios.Recording) string {
	s := []string{plural(len(r.Sites), "site")}
	s = append(s, fmt.Sprintf("a quorum is %d", r.Scenario.Quorum()))
	s = append(s, "faults: "+string(r.Scenario.Faults), "seed "+strconv.FormatUint(r.Seed, 10))
	switch t := r.Scenario.Trainer; {
	case t.Synthetic != nil:
		s = append(s, fmt.Sprintf("synthetic model of %s, %s a training", size(float64(t.Synthetic.Bytes)), span(time.Duration(t.Synthetic.Time))))
	case t.Builtin != nil:
		s = append(s, fmt.Sprintf("the embedded trainer, %s a training", span(time.Duration(t.Builtin.Time))))
	case t.Exec != nil:
		s = append(s, "the script "+strings.Join(t.Exec, " "))
	}
	if r.Driver == scenarios.Simulated {
		s = append(s, fmt.Sprintf("%s in virtual time, played in %s", span(r.Took), span(r.Wall)))
	} else {
		s = append(s, span(r.Took))
	}
	if r.Version != "" {
		s = append(s, "weft "+r.Version)
	}
	return strings.Join(s, " · ")
}

// expectations lines the runs' verdicts up.
func (p *page) expectations(recordings []*scenarios.Recording) {
	for k, r := range recordings {
		for _, v := range r.Verdicts {
			i := slices.IndexFunc(p.Expected, func(e expected) bool { return e.Text == v.Expected })
			if i < 0 {
				p.Expected = append(p.Expected, expected{v.Expected, make([]scenarios.Verdict, len(recordings))})
				i = len(p.Expected) - 1
			}
			p.Expected[i].Got[k] = v
		}
	}
}

// figures are the numbers that people compare.
func figures(recordings []*scenarios.Recording, runs []run) []figure {
	all := []struct {
		name string
		get  func(*scenarios.Recording, *story) string
	}{
		{"rounds committed", func(_ *scenarios.Recording, s *story) string { return strconv.Itoa(len(s.done())) }},
		{"a round took (median)", func(_ *scenarios.Recording, s *story) string { return known(s.median((*turn).took)) }},
		{"agreed on a seal in (median)", func(_ *scenarios.Recording, s *story) string {
			return known(s.median(func(t *turn) time.Duration { return t.sealing }))
		}},
		{"agreed on a model in (median)", func(_ *scenarios.Recording, s *story) string {
			return known(s.median(func(t *turn) time.Duration { return t.deciding }))
		}},
		{"sent by a site (mean)", func(r *scenarios.Recording, _ *story) string {
			return size(mean(r, func(t scenarios.Traffic) int64 { return t.Bytes() }))
		}},
		{"messages sent by a site (mean)", func(r *scenarios.Recording, _ *story) string {
			if n := mean(r, func(t scenarios.Traffic) int64 { return t.Messages }); n > 0 {
				return fmt.Sprintf("%.0f", n)
			}
			return "–" // of real processes the links' bytes are counted
		}},
		{"bytes of messages sent by a site (mean)", func(r *scenarios.Recording, _ *story) string {
			return size(mean(r, func(t scenarios.Traffic) int64 { return t.MessageBytes }))
		}},
		{"spectral gap of the traffic (all pairs alike: 1)", func(r *scenarios.Recording, _ *story) string {
			if gap, ok := spectralGap(r.Links); ok {
				return fmt.Sprintf("%.2f", gap)
			}
			return "–"
		}},
		{"took in all", func(_ *scenarios.Recording, s *story) string { return span(s.ends) }},
	}
	var list []figure
	for _, f := range all {
		row := figure{Name: f.name}
		for k, r := range recordings {
			row.Got = append(row.Got, f.get(r, runs[k].story))
		}
		list = append(list, row)
	}
	return list
}

// known writes a time that may be unknown.
func known(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return span(d)
}

func mean(r *scenarios.Recording, f func(scenarios.Traffic) int64) float64 {
	sum := 0.0
	for _, s := range r.Sites {
		sum += float64(f(s.Sent))
	}
	return sum / float64(max(1, len(r.Sites)))
}
