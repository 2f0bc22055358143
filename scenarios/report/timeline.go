package report

import (
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/weft-mesh/weft/scenarios"
)

// Measures of the timeline, in pixels.
const (
	wide       = 1000.0
	labelWidth = 110.0
	laneHeight = 15.0
	maxLanes   = 6
	namedRows  = 50 // with more sites only some rows are named
)

// timeline is the picture of who did what when, and who waited for whom.
type timeline struct {
	*canvas
	rec   *scenarios.Recording
	story *story
	from  time.Duration // what it shows
	to    time.Duration
	zero  time.Duration // from when times are counted
	x     scale
	row   float64 // height of a site's row
	top   float64 // of the first row
	base  float64 // below the last
}

// drawTimeline draws a row for each site over time up to an end, the rounds above and the faults in lanes of
// their own.
func drawTimeline(r *scenarios.Recording, s *story, ends time.Duration) template.HTML {
	t := &timeline{rec: r, story: s, to: max(ends, time.Second)}
	return t.draw("timeline of " + plural(len(r.Sites), "site"))
}

// drawEnd draws how an ordinary round ends, close up, with times from its seal on; it returns the round's
// number, and no picture if there is no such round.
func drawEnd(r *scenarios.Recording, s *story) (template.HTML, uint64) {
	end := func(t *turn) time.Duration { return t.sealing + t.committed - t.sealed }
	middle := s.median(end)
	for _, turn := range s.done() {
		if middle > 0 && end(&turn) == middle {
			t := &timeline{
				rec: r, story: s, from: turn.sealed - turn.sealing - middle*6/10, to: turn.committed + middle/4, zero: turn.sealed,
			}
			return t.draw(fmt.Sprintf("the end of round %d", turn.number)), turn.number
		}
	}
	return "", 0
}

func (t *timeline) draw(about string) template.HTML {
	n := len(t.rec.Sites)
	lanes := packFaults(t.rec.Faults, t.from, t.to)
	t.row = min(20, max(3, 640/float64(max(n, 1))))
	t.top = 52 + laneHeight*float64(len(lanes))
	t.base = t.top + t.row*float64(n)
	t.canvas = newCanvas(wide, t.base+46, about)
	t.x = scale{float64(t.from), float64(t.to), labelWidth, wide - 12}
	t.faults(lanes)
	t.axis()
	for i := range t.rec.Sites {
		t.site(i)
	}
	t.rounds()
	t.legend()
	return t.picture()
}

// shows reports whether a time is within the picture.
func (t *timeline) shows(d time.Duration) bool { return d >= t.from && d <= t.to }

func (t *timeline) at(d time.Duration) float64 { return t.x.at(float64(d)) }

func (t *timeline) axis() {
	counted := scale{from: float64(t.from - t.zero), to: float64(t.to - t.zero)}
	for _, v := range counted.timeTicks(10) {
		x := t.at(time.Duration(v) + t.zero)
		t.line(x, t.top, x, t.base, "grid", "")
		t.text(x, t.base+14, middle, "small", span(time.Duration(v)))
	}
}

// site draws what one site did.
func (t *timeline) site(i int) {
	y := t.top + t.row*float64(i)
	name := t.rec.Sites[i].Name
	if every := (len(t.rec.Sites) + namedRows - 1) / namedRows; i%every == 0 {
		class := "small"
		if t.rec.Sites[i].Adversary != "" {
			class += " bad"
		}
		t.text(labelWidth-6, y+t.row/2+4, right, class, clip(name, 16))
	}
	gap := 0.0
	if t.row >= 8 {
		gap = 2
	}
	for _, s := range t.story.sites[i] {
		if s.to < t.from || s.from > t.to {
			continue
		}
		x, end := t.at(max(s.from, t.from)), t.at(min(s.to, t.to))
		t.rect(x, y+gap/2, max(end-x, 0.4), t.row-gap, classOf(s.phase), t.tooltip(name, s))
	}
}

func (t *timeline) tooltip(name string, s stretch) string {
	text := fmt.Sprintf("%s, round %d: %s for %s, from %s to %s", name, s.round, s.phase, span(s.to-s.from), span(s.from), span(s.to))
	if s.phase == waiting {
		for _, r := range t.story.turns {
			if r.number == s.round && r.last >= 0 && r.sealed > 0 {
				text += fmt.Sprintf("; %s came last, sealed at %s", t.rec.Sites[r.last].Name, span(r.sealed))
			}
		}
	}
	return text
}

// rounds marks where rounds were sealed and committed, as far as there is room.
func (t *timeline) rounds() {
	labelled := -100.0
	for _, r := range t.story.turns {
		if r.sealed > 0 && t.shows(r.sealed) {
			tip := fmt.Sprintf("round %d sealed at %s with %s", r.number, span(r.sealed), plural(r.updates, "update"))
			t.line(t.at(r.sealed), t.top-4, t.at(r.sealed), t.base, "seal", tip)
			if r.last >= 0 && t.row >= 5 { // whom the mesh waited for
				x, y := t.at(r.sealed), t.top+t.row*(float64(r.last)+0.5)
				t.element("path", attrs{"d", fmt.Sprintf("M%s %sl-7 -4v8z", num(x-0.5), num(y)), "class", "last"}, "",
					fmt.Sprintf("round %d: %s came last, %s after the round opened", r.number, t.rec.Sites[r.last].Name, span(r.sealed-r.opened)))
			}
		}
		if r.committed == 0 || !t.shows(r.committed) {
			continue
		}
		x := t.at(r.committed)
		t.line(x, t.top-8, x, t.base, "commit", fmt.Sprintf("round %d committed at %s, after %s", r.number, span(r.committed), span(r.took())))
		if x-labelled > 24 {
			t.text(x, t.top-11, middle, "small bold", fmt.Sprint(r.number))
			labelled = x
		}
	}
	t.text(labelWidth-6, t.top-11, right, "small bold", "round")
}

// lane is a row of faults that do not overlap.
type lane []int

// packFaults puts the faults of a time into as few lanes as it takes, up to maxLanes; those that find no
// room share the last.
func packFaults(faults []scenarios.Fault, from, to time.Duration) (lanes []lane) {
	for i, f := range faults {
		if f.From > to || f.To != 0 && f.To < from || f.Moment() && f.From < from {
			continue
		}
		fits := slices.IndexFunc(lanes, func(l lane) bool { return faultEnd(faults[l[len(l)-1]], to) <= f.From })
		switch {
		case fits >= 0:
			lanes[fits] = append(lanes[fits], i)
		case len(lanes) < maxLanes:
			lanes = append(lanes, lane{i})
		default:
			lanes[maxLanes-1] = append(lanes[maxLanes-1], i)
		}
	}
	return lanes
}

func faultEnd(f scenarios.Fault, ends time.Duration) time.Duration {
	switch {
	case f.Moment():
		return f.From
	case f.To == 0:
		return ends
	}
	return min(f.To, ends)
}

// faults draws the lanes, and each fault over the rows of the sites that it befell.
func (t *timeline) faults(lanes []lane) {
	for n, l := range lanes {
		y := 22 + laneHeight*float64(n)
		if n == 0 {
			t.text(labelWidth-6, y+11, right, "small", "faults")
		}
		for k, i := range l {
			f := t.rec.Faults[i]
			tip := faultText(t.rec, f)
			x, end := t.at(max(f.From, t.from)), t.at(faultEnd(f, t.to))
			t.rect(x, y+1, max(end-x, 2), laneHeight-3, "fault", tip)
			room := wide - x
			if k+1 < len(l) {
				room = t.at(t.rec.Faults[l[k+1]].From) - x
			}
			if label := faultLabel(t.rec, f); textWidth(label)+6 < room {
				t.text(x+3, y+11, left, "small", label)
			} else if textWidth(f.Kind)+6 < room {
				t.text(x+3, y+11, left, "small", f.Kind)
			}
			t.mark(f, x, end, tip)
		}
	}
}

// mark marks a fault on the rows of its sites; a crash shows by itself.
func (t *timeline) mark(f scenarios.Fault, x, end float64, tip string) {
	if len(f.Sites) == 0 || len(f.Sites) == len(t.rec.Sites) {
		t.rect(x, t.top, max(end-x, 1), t.base-t.top, "shade", tip)
		return
	}
	if f.Kind == "crash" || f.Kind == "lose disk" || f.Kind == "rollback" {
		return
	}
	for _, i := range f.Sites {
		t.rect(x, t.top+t.row*float64(i), max(end-x, 1.5), t.row, "befell", tip)
	}
}

func (t *timeline) legend() {
	x, y := 12.0, t.base+36
	for _, p := range phases {
		if t.story.has(p.phase) {
			x = t.swatch(x, y, p.class, string(p.phase))
		}
	}
	if slices.ContainsFunc(t.rec.Faults, func(f scenarios.Fault) bool { return !f.Moment() }) {
		t.swatch(x, y, "befell", "fault")
	}
}

func classOf(p phase) string {
	for _, known := range phases {
		if known.phase == p {
			return known.class
		}
	}
	return ""
}

// faultLabel names a fault and, if they are few, its sites.
func faultLabel(r *scenarios.Recording, f scenarios.Fault) string {
	switch names := siteNames(r, f.Sites); {
	case len(names) == 0:
		return f.Kind
	case len(names) <= 3:
		return f.Kind + " " + join(names)
	}
	return fmt.Sprintf("%s %s", f.Kind, plural(len(f.Sites), "site"))
}

// faultText says all of a fault.
func faultText(r *scenarios.Recording, f scenarios.Fault) string {
	text := f.Kind
	if f.Text != "" {
		text += " (" + f.Text + ")"
	}
	if names := siteNames(r, f.Sites); len(names) > 0 {
		text += " at " + join(names)
	}
	if f.Moment() {
		return text + ", asked for at " + span(f.From)
	}
	text += ", from " + span(f.From)
	if f.To > 0 {
		return text + " to " + span(f.To)
	}
	return text + " on"
}

func siteNames(r *scenarios.Recording, sites []int) (names []string) {
	for _, i := range sites {
		if i >= 0 && i < len(r.Sites) {
			names = append(names, r.Sites[i].Name)
		}
	}
	return names
}

func join(names []string) string {
	const most = 12
	s := ""
	for i, n := range names {
		if i == most {
			return s + fmt.Sprintf(" and %d more", len(names)-most)
		}
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

// clip cuts a long name in the middle, where names of a group differ least.
func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	tail := most / 2
	return string(r[:most-tail-1]) + "…" + string(r[len(r)-tail:])
}
