package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/scenarios"
)

// place is a group of sites that are drawn together: those of a region.
type place struct {
	region string
	sites  []int
	x, y   float64 // of its middle
	r      float64 // of the circle that its sites stand on
}

// mesh is the picture of the sites, their links and what befell them.
type mesh struct {
	*canvas
	rec    *scenarios.Recording
	groups []scenarios.Site
	places []place
	x, y   []float64 // by site
	hit    []map[string][]string
}

const (
	above, below = 52.0, 34.0 // room over and under the places
	ring         = 20         // up to so many sites stand on a circle
	fewSites     = 40         // up to so many are named and have their links drawn
)

// drawMesh draws where the sites are, what went between them, who lied and what befell whom.
func drawMesh(r *scenarios.Recording) template.HTML {
	m := &mesh{rec: r, groups: r.Scenario.All(), x: make([]float64, len(r.Sites)), y: make([]float64, len(r.Sites))}
	m.canvas = newCanvas(wide, m.arrange()+34, "the mesh")
	m.hits()
	m.grounds()
	m.links()
	m.regions()
	for i := range r.Sites {
		m.site(i)
	}
	m.legend()
	return m.picture()
}

// arrange puts regions on an ellipse, in the order of the map, and returns how high the picture gets.
func (m *mesh) arrange() (height float64) {
	for _, region := range append(scenarios.Regions(), "") {
		p := place{region: region}
		for i, s := range m.rec.Sites {
			if s.Region == region {
				p.sites = append(p.sites, i)
			}
		}
		if len(p.sites) > 0 {
			m.places = append(m.places, p)
		}
	}
	n := float64(len(m.places))
	for k := range m.places {
		p := &m.places[k]
		if p.r = 26 + 9*math.Sqrt(float64(len(p.sites))); n == 1 {
			p.r = 165
		} else {
			angle := math.Pi + 2*math.Pi*float64(k)/n
			p.x, p.y = 330*math.Cos(angle), 150*math.Sin(angle)
		}
		if len(p.sites) == 1 {
			p.r = 0
		}
	}
	height = m.centre()
	for _, p := range m.places {
		for j, i := range p.sites {
			x, y := p.spot(j)
			m.x[i], m.y[i] = p.x+x, p.y+y
		}
	}
	return height
}

// spot returns where the site j of a place stands, from the middle: on a circle, or where they are many
// in a spiral like a sunflower's seeds.
func (p *place) spot(j int) (x, y float64) {
	n := float64(len(p.sites))
	angle, r := 2*math.Pi*float64(j)/n-math.Pi/2, p.r
	if n > ring {
		angle, r = float64(j)*math.Pi*(3-math.Sqrt(5)), p.r*math.Sqrt((float64(j)+0.5)/n)
	}
	return r * math.Cos(angle), r * math.Sin(angle)
}

// centre moves all places to the middle of a picture that just holds them, and returns its height.
func (m *mesh) centre() float64 {
	x0, x1, y0, y1 := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, p := range m.places {
		x0, x1 = min(x0, p.x-p.r), max(x1, p.x+p.r)
		y0, y1 = min(y0, p.y-p.r), max(y1, p.y+p.r)
	}
	for k := range m.places {
		m.places[k].x += wide/2 - (x0+x1)/2
		m.places[k].y += above - y0
	}
	return max(0, y1-y0) + above + below
}

// hits notes for each site the faults that befell it.
func (m *mesh) hits() {
	m.hit = make([]map[string][]string, len(m.rec.Sites))
	for _, f := range m.rec.Faults {
		for _, i := range f.Sites {
			if i < 0 || i >= len(m.hit) || f.Moment() {
				continue
			}
			if m.hit[i] == nil {
				m.hit[i] = map[string][]string{}
			}
			m.hit[i][f.Kind] = append(m.hit[i][f.Kind], span(f.From))
		}
	}
}

// links draws what went between sites, or where they are many between regions.
func (m *mesh) links() {
	n := len(m.rec.Sites)
	if len(m.rec.Links) != n {
		return
	}
	between := func(i, j int) float64 { return float64(m.rec.Links[i][j] + m.rec.Links[j][i]) }
	if n > fewSites {
		m.regionLinks(between)
		return
	}
	most := 1.0
	for i := range n {
		for j := range i {
			most = max(most, between(i, j))
		}
	}
	for i := range n {
		for j := range i {
			if b := between(i, j); b > 0 {
				tip := fmt.Sprintf("%s and %s: %s both ways", m.rec.Sites[j].Name, m.rec.Sites[i].Name, size(b))
				if rtt := m.roundTrip(i, j); rtt > 0 {
					tip += ", " + span(rtt) + " there and back"
				}
				m.line(m.x[i], m.y[i], m.x[j], m.y[j], "link", tip, "stroke-width", 0.6+2.4*b/most, "stroke-opacity", fmt.Sprintf("%.2f", 0.15+0.45*b/most))
			}
		}
	}
}

func (m *mesh) roundTrip(i, j int) time.Duration {
	if i >= len(m.groups) || j >= len(m.groups) {
		return 0
	}
	return 2 * m.rec.Scenario.Path(m.groups[i].Group, m.groups[j].Group).Latency
}

func (m *mesh) regionLinks(between func(i, j int) float64) {
	for a, p := range m.places {
		for _, q := range m.places[:a] {
			sum := 0.0
			for _, i := range p.sites {
				for _, j := range q.sites {
					sum += between(i, j)
				}
			}
			m.line(p.x, p.y, q.x, q.y, "link", fmt.Sprintf("%s and %s: %s both ways", nameOf(p), nameOf(q), size(sum)), "stroke-width", 2.0, "stroke-opacity", "0.4")
		}
	}
}

func nameOf(p place) string {
	if p.region == "" {
		return "no region"
	}
	return p.region
}

// grounds draws what the sites of a region stand on.
func (m *mesh) grounds() {
	if !m.scattered() {
		return
	}
	for _, p := range m.places {
		m.circle(p.x, p.y, p.r+16, "region", fmt.Sprintf("%s: %s", nameOf(p), plural(len(p.sites), "site")))
	}
}

// scattered reports whether regions are worth drawing.
func (m *mesh) scattered() bool {
	return len(m.places) > 1 || len(m.places) == 1 && m.places[0].region != ""
}

// regions names the places and, where they are few, the times between them.
func (m *mesh) regions() {
	if !m.scattered() {
		return
	}
	for a, p := range m.places {
		if len(m.places) > 5 {
			break
		}
		for _, q := range m.places[:a] {
			if rtt := scenarios.RoundTrip(p.region, q.region); rtt > 0 {
				m.text((p.x*0.42 + q.x*0.58), (p.y*0.42+q.y*0.58)-4, middle, "small halo", span(rtt))
			}
		}
	}
	for _, p := range m.places {
		m.text(p.x, p.y-p.r-23, middle, "small bold halo", fmt.Sprintf("%s, %d", nameOf(p), len(p.sites)))
	}
}

// site draws one site by what it is and what befell it.
func (m *mesh) site(i int) {
	s := m.rec.Sites[i]
	x, y := m.x[i], m.y[i]
	r := 8.0
	if n := len(m.rec.Sites); n > fewSites {
		r = 3.5
	}
	tip := m.tooltip(i)
	declines := i < len(m.groups) && m.groups[i].Group.Declines
	switch {
	case s.Adversary != "":
		m.element("path", attrs{"d", fmt.Sprintf("M%s %sl%s %sl-%s %sl-%s -%sz", num(x), num(y-r-2), num(r+2), num(r+2), num(r+2), num(r+2), num(r+2), num(r+2)), "class", "liar"}, "", tip)
	case declines:
		m.circle(x, y, r, "declines", tip)
	default:
		m.circle(x, y, r, "honest", tip)
	}
	if len(m.hit[i]) > 0 {
		m.circle(x, y, r+4.5, "hit", tip)
	}
	if !s.Up {
		m.element("path", attrs{"d", fmt.Sprintf("M%s %sl%s %sm0 -%sl-%s %s", num(x-r), num(y-r), num(2*r), num(2*r), num(2*r), num(2*r), num(2*r)), "class", "cross"}, "", tip)
	}
	if len(m.rec.Sites) <= fewSites {
		m.name(i, r)
	}
}

// name writes a site's name outside of the circle that it stands on.
func (m *mesh) name(i int, r float64) {
	p := m.places[slices.IndexFunc(m.places, func(p place) bool { return slices.Contains(p.sites, i) })]
	x, y := m.x[i], m.y[i]
	dx := x - p.x
	anchor, at := left, x+r+8
	if dx < -1 {
		anchor, at = right, x-r-8
	}
	m.text(at, y+4, anchor, "small halo", clip(m.rec.Sites[i].Name, 18))
}

func (m *mesh) tooltip(i int) string {
	s := m.rec.Sites[i]
	parts := []string{s.Name}
	if i < len(m.groups) {
		g := m.groups[i].Group
		if g.Link.Profile != "" {
			parts = append(parts, "on a "+strings.ToUpper(g.Link.Profile)+" link")
		}
		if g.Speed != 1 && g.Speed != 0 {
			parts = append(parts, fmt.Sprintf("%g times as fast", g.Speed))
		}
		if g.Declines {
			parts = append(parts, "declines the run")
		}
	}
	if s.Adversary != "" {
		parts = append(parts, "lies: "+s.Adversary)
	}
	parts = append(parts, plural(int(s.Rounds), "round"), fmt.Sprintf("sent %s, received %s", size(float64(s.Sent.Bytes())), size(float64(s.Received.Bytes()))))
	kinds := make([]string, 0, len(m.hit[i]))
	for kind := range m.hit[i] {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		parts = append(parts, kind+" at "+join(m.hit[i][kind]))
	}
	if !s.Up {
		parts = append(parts, "down at the end")
	}
	return strings.Join(parts, "; ")
}

func (m *mesh) legend() {
	x, y := 20.0, m.h-12
	entry := func(draw func(x float64), name string) {
		draw(x + 7)
		m.text(x+22, y, left, "small", name)
		x += 22 + textWidth(name) + 22
	}
	entry(func(x float64) { m.circle(x, y-4, 6, "honest", "") }, "honest site")
	if slices.ContainsFunc(m.rec.Sites, func(s scenarios.Record) bool { return s.Adversary != "" }) {
		entry(func(x float64) {
			m.element("path", attrs{"d", fmt.Sprintf("M%s %sl7 7l-7 7l-7 -7z", num(x), num(y-11)), "class", "liar"}, "", "")
		}, "liar")
	}
	if slices.ContainsFunc(m.hit, func(h map[string][]string) bool { return h != nil }) {
		entry(func(x float64) { m.circle(x, y-4, 5, "honest", ""); m.circle(x, y-4, 8, "hit", "") }, "befallen by a fault")
	}
	if slices.ContainsFunc(m.rec.Sites, func(s scenarios.Record) bool { return !s.Up }) {
		entry(func(x float64) {
			m.element("path", attrs{"d", fmt.Sprintf("M%s %sl10 10m0 -10l-10 10", num(x-5), num(y-9)), "class", "cross"}, "", "")
		}, "down at the end")
	}
	if len(m.rec.Sites) <= fewSites {
		entry(func(x float64) { m.line(x-7, y-4, x+7, y-4, "link", "", "stroke-width", 3.0) }, "the thicker, the more bytes")
	}
}
