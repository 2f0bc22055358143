package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/trace"
)

// phase is what a site is at.
type phase string

const (
	idle     phase = ""
	training phase = "training"
	waiting  phase = "waiting for others' updates"
	fetching phase = "fetching sealed updates"
	reducing phase = "computing the model"
	agreeing phase = "agreeing on the model"
	down     phase = "down"
	outside  phase = "no site"
)

// phases are all that are drawn, with their classes.
var phases = []struct {
	phase phase
	class string
}{
	{training, "train"}, {waiting, "wait"}, {fetching, "fetch"}, {reducing, "reduce"}, {agreeing, "agree"}, {down, "down"}, {outside, "outside"},
}

// stretch is a time that a site spends in a phase.
type stretch struct {
	phase    phase
	from, to time.Duration
	round    uint64 // that the site was in when it ended
}

// turn is one round as the mesh saw it. Times are of the first site that had the entry.
type turn struct {
	number    uint64
	opened    time.Duration
	sealed    time.Duration // 0: never
	committed time.Duration // 0: never
	updates   int           // in the last seal
	heaviest  int           // site whose update has the largest part of its weight; -1: not known
	share     float64       // that part
	seals     int
	last      int           // site whose update came in last before the seal; -1: not known
	sealing   time.Duration // from the proposal to the decision; 0: not known
	deciding  time.Duration // of the commit
	views     uint64        // most that a decision needed, from 1
}

func (t *turn) took() time.Duration { return t.committed - t.opened }

// story is what a trace comes to.
type story struct {
	sites []([]stretch)
	turns []turn
	ends  time.Duration
}

// has reports whether any site was ever in that phase.
func (s *story) has(p phase) bool {
	return slices.ContainsFunc(s.sites, func(row []stretch) bool {
		return slices.ContainsFunc(row, func(t stretch) bool { return t.phase == p })
	})
}

// gone reports whether a site that took part is no longer in the roster at the end.
func (s *story) gone(site int) bool {
	row := s.sites[site]
	n := len(row)
	return n > 1 && row[n-1].phase == outside && row[n-1].to == s.ends
}

// traceReader walks through a trace, line by line.
type traceReader struct {
	story
	index    map[string]int           // by peer ID
	at       []stretch                // by site: where it is
	round    []uint64                 // by site
	proposed map[uint64]time.Duration // by height
	decided  map[uint64]bool
	honest   []bool
	offered  int  // the site whose update came last
	heard    bool // sites say which updates they hold, so that one that nobody got does not count
}

// tell works out a recording's story.
func tell(r *scenarios.Recording) *story {
	n := len(r.Sites)
	t := &traceReader{
		story: story{sites: make([][]stretch, n), ends: r.Took}, index: map[string]int{}, at: make([]stretch, n), round: make([]uint64, n),
		proposed: map[uint64]time.Duration{}, decided: map[uint64]bool{}, offered: -1,
	}
	for i, s := range r.Sites {
		t.index[s.ID] = i
		t.round[i] = 1
		t.honest = append(t.honest, s.Adversary == "")
	}
	for i := range r.Scenario.Outside() {
		t.at[i].phase = outside
	}
	t.heard = slices.ContainsFunc(r.Trace, func(l scenarios.Line) bool { _, holds := l.Event.(trace.Held); return holds })
	for i := range r.Trace {
		if l := &r.Trace[i]; l.Site >= 0 && l.Site < n {
			t.line(l)
			if r.Took == 0 {
				t.ends = max(t.ends, l.At)
			}
		}
	}
	for i := range t.at {
		t.turnTo(i, idle, t.ends)
	}
	return &t.story
}

// turnTo ends a site's phase and begins another.
func (t *traceReader) turnTo(site int, p phase, now time.Duration) {
	old := t.at[site]
	if old.phase == p {
		return
	}
	if old.phase != idle && now > old.from {
		old.to, old.round = now, t.round[site]
		t.sites[site] = append(t.sites[site], old)
	}
	t.at[site] = stretch{phase: p, from: now}
}

func (t *traceReader) line(l *scenarios.Line) {
	now := t.at[l.Site].phase
	switch e := l.Event.(type) {
	case trace.Admitted:
		t.turnTo(l.Site, idle, l.At)
		return
	case trace.Decided:
		t.decide(l, e, now)
		return
	}
	if now != outside {
		t.step(l, now)
	}
}

// step takes what a site of the roster does.
func (t *traceReader) step(l *scenarios.Line, now phase) {
	switch e := l.Event.(type) {
	case trace.Observes:
		t.turnTo(l.Site, outside, l.At)
	case trace.Up:
		if now == down {
			t.turnTo(l.Site, idle, l.At)
		}
	case trace.Down:
		t.turnTo(l.Site, down, l.At)
	case trace.TrainingStarted:
		t.turnTo(l.Site, training, l.At)
	case trace.TrainingFailed:
		t.turnTo(l.Site, idle, l.At)
	case trace.Skipped:
		if at, known := t.index[e.Site.String()]; known && at == l.Site {
			t.turnTo(l.Site, idle, l.At)
		}
	case trace.Held:
		if from, known := t.index[e.Site.String()]; known && from != l.Site && t.honest[l.Site] {
			t.offered = from
		}
	case trace.Announced:
		if !t.heard {
			t.offered = l.Site
		}
		t.turnTo(l.Site, waiting, l.At)
	case trace.ReductionStarted:
		t.turnTo(l.Site, reducing, l.At)
	case trace.Reduced:
		t.turnTo(l.Site, agreeing, l.At)
	case trace.Proposed:
		if _, known := t.proposed[e.Height]; !known {
			t.proposed[e.Height] = l.At
		}
	}
}

// decide notes an entry at a site, and for the mesh if the site is the first that has it.
func (t *traceReader) decide(l *scenarios.Line, d trace.Decided, now phase) {
	switch d.Decision.Kind {
	case "seal":
		if now == waiting {
			t.turnTo(l.Site, fetching, l.At)
		}
	case "commit", "void", "close":
		if now != training && now != down && now != outside {
			t.turnTo(l.Site, idle, l.At)
		}
		if d.Decision.Kind == "commit" {
			t.round[l.Site]++
		}
	}
	if !t.decided[d.Height] {
		t.decided[d.Height] = true
		t.first(l.At, d)
	}
}

// first notes an entry that no site had before.
func (t *traceReader) first(at time.Duration, d trace.Decided) {
	took := time.Duration(0)
	if from, known := t.proposed[d.Height]; known {
		took = at - from
	}
	switch d.Decision.Kind {
	case "open":
		t.turns = append(t.turns, turn{number: 1, opened: at, last: -1, heaviest: -1})
	case "seal":
		if r := t.newest(); r != nil {
			r.sealed, r.sealing, r.last, r.updates = at, took, t.offered, d.Decision.Updates
			r.seals++
			if i, known := t.index[d.Decision.Heaviest.String()]; known && d.Decision.Share > 0 {
				r.heaviest, r.share = i, d.Decision.Share
			}
			r.views = max(r.views, d.View+1)
		}
	case "commit":
		if r := t.newest(); r != nil {
			r.committed, r.deciding = at, took
			r.views = max(r.views, d.View+1)
			t.turns = append(t.turns, turn{number: r.number + 1, opened: at, last: -1, heaviest: -1})
		}
	case "close":
		t.turns = append(t.turns, turn{})
	}
}

func (t *traceReader) newest() *turn {
	if len(t.turns) == 0 {
		return nil
	}
	return &t.turns[len(t.turns)-1]
}

// done returns the rounds that were committed.
func (s *story) done() []turn {
	return slices.DeleteFunc(slices.Clone(s.turns), func(t turn) bool { return t.committed == 0 })
}

// median returns the middle of what f gives for the committed rounds; what is not above 0 is left out.
func (s *story) median(f func(*turn) time.Duration) time.Duration {
	var all []time.Duration
	for _, t := range s.done() {
		if d := f(&t); d > 0 {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.SortFunc(all, cmp.Compare[time.Duration])
	return all[len(all)/2]
}
