package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/weft-mesh/weft/scenarios"
)

// series is one line of a chart.
type series struct {
	name   string
	class  string
	label  string // at its end; empty: none
	points [][2]float64
}

// chart is a picture of lines over rounds.
type chart struct {
	w, h          float64
	title         string
	unit          string // of the values
	about         string
	series        []series
	legend        []legendItem
	percent, tiny bool
}

type legendItem struct{ class, name string }

// draw draws the chart.
func (c *chart) draw() template.HTML {
	v := newCanvas(c.w, c.h, c.about)
	fit := func(x bool) (lo, hi float64) {
		lo, hi = math.Inf(1), math.Inf(-1)
		for _, s := range c.series {
			for _, p := range s.points {
				value := p[1]
				if x {
					value = p[0]
				}
				lo, hi = min(lo, value), max(hi, value)
			}
		}
		return lo, hi
	}
	lo, hi := fit(false)
	_, last := fit(true)
	pad := max((hi-lo)*0.08, 1e-3)
	endRoom := 20.0
	for _, s := range c.series {
		endRoom = max(endRoom, textWidth(s.label)+12)
	}
	bottom := c.h - 34
	if len(c.legend) > 0 {
		bottom -= 22
	}
	y := scale{lo - pad, hi + pad, bottom, 30}
	x := scale{0, max(last, 1), 52, c.w - endRoom}
	v.text(8, 16, left, "bold", c.title)
	c.axes(v, x, y, bottom)
	for _, s := range c.series {
		c.line(v, s, x, y)
	}
	c.labels(v, x, y)
	at := x.a
	for _, l := range c.legend {
		v.line(at, c.h-10, at+20, c.h-10, "curve "+l.class, "")
		v.text(at+25, c.h-6, left, "small", l.name)
		at += 25 + textWidth(l.name) + 18
	}
	return v.picture()
}

func (c *chart) axes(v *canvas, x, y scale, bottom float64) {
	for _, value := range y.ticks(5) {
		v.line(x.a, y.at(value), x.b, y.at(value), "grid", "")
		v.text(x.a-6, y.at(value)+4, right, "small", c.number(value))
	}
	step := max(1, niceStep(x.to/min(10, (x.b-x.a)/34)))
	for _, value := range x.every(step) {
		v.line(x.at(value), bottom, x.at(value), bottom+4, "axis", "")
		v.text(x.at(value), bottom+16, middle, "small", fmt.Sprint(value))
	}
	v.line(x.a, bottom, x.b, bottom, "axis", "")
	if !c.tiny {
		v.text((x.a+x.b)/2, bottom+31, middle, "small", "round")
	}
}

func (c *chart) number(v float64) string {
	if c.percent {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*v), ".0") + "%"
	}
	return fmt.Sprintf("%.2f", v)
}

func (c *chart) exactly(v float64) string {
	if c.percent {
		return fmt.Sprintf("%.2f%%", 100*v)
	}
	return fmt.Sprintf("%.4f", v)
}

func (c *chart) line(v *canvas, s series, x, y scale) {
	var points []float64
	for _, p := range s.points {
		points = append(points, x.at(p[0]), y.at(p[1]))
	}
	v.polyline(points, "curve "+s.class, s.name)
	if len(s.points) > 24 {
		return
	}
	for i, p := range s.points {
		v.circle(points[2*i], points[2*i+1], 3, "dot "+s.class, fmt.Sprintf("%s, round %.0f: %s %s", s.name, p[0], c.exactly(p[1]), c.unit))
	}
}

// labels names lines at their ends, apart from one another.
func (c *chart) labels(v *canvas, x, y scale) {
	used := []float64{}
	for _, s := range c.series {
		if s.label == "" || len(s.points) == 0 {
			continue
		}
		end := s.points[len(s.points)-1]
		at := y.at(end[1]) + 4
		for moved := true; moved; {
			moved = false
			for _, u := range used {
				if math.Abs(u-at) < 13 {
					at, moved = u+13, true
				}
			}
		}
		used = append(used, at)
		v.text(x.at(end[0])+8, at, left, "small", s.label)
	}
}

// curveClass is how a curve is drawn.
func curveClass(n scenarios.CurveName) string {
	switch n {
	case scenarios.Federated:
		return "federated"
	case scenarios.Pooled:
		return "pooled"
	}
	return "alone"
}

var curveLegend = []legendItem{
	{"federated", "federated: the mesh's model"}, {"alone", "alone: what one site gets without the others"}, {"pooled", "pooled: all text in one place"},
}

// drawLoss draws the loss on all kinds of text.
func drawLoss(r *scenarios.Recording) template.HTML {
	c := &chart{w: wide, h: 400, title: "Loss on all kinds of text, nats per byte (lower is better)", unit: "nats per byte", about: "loss by round", legend: curveLegend}
	return c.drawCurves(r, func(p scenarios.Point) float64 { return p.All })
}

// drawAccuracy draws how much of all kinds of text the models foretell.
func drawAccuracy(r *scenarios.Recording) template.HTML {
	c := &chart{w: wide, h: 340, title: "Bytes foretold, of all kinds of text (higher is better)", unit: "of the bytes", percent: true, about: "accuracy by round", legend: curveLegend}
	return c.drawCurves(r, func(p scenarios.Point) float64 { return p.Accuracy })
}

// drawCurves draws the mesh's curve and the pooled one over those of the sites alone; what was not
// measured is left out.
func (c *chart) drawCurves(r *scenarios.Recording, value func(scenarios.Point) float64) template.HTML {
	var top []series
	for _, curve := range r.Curves {
		s := series{name: string(curve.Name), class: curveClass(curve.Name)}
		for _, p := range curve.Points {
			if v := value(p); v != 0 {
				s.points = append(s.points, [2]float64{float64(p.Round), v})
			}
		}
		switch {
		case len(s.points) == 0:
		case curve.Site == "":
			s.label = s.name
			top = append(top, s)
		case curve.Name == scenarios.Alone:
			s.name = curve.Site + " alone"
			c.series = append(c.series, s)
		}
	}
	c.series = append(c.series, top...)
	if len(c.series) == 0 {
		return ""
	}
	return c.draw()
}

// maxPanels is how many sites get a small chart of their own.
const maxPanels = 24

// drawOwn draws for each site the loss on text like its own: of the mesh's model and of the one trained alone.
func drawOwn(r *scenarios.Recording) (panels []template.HTML) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, c := range r.Curves {
		for _, p := range c.Points {
			if c.Site != "" && p.Own > 0 {
				lo, hi = min(lo, p.Own), max(hi, p.Own)
			}
		}
	}
	for _, s := range r.Sites {
		c := &chart{w: 300, h: 190, title: clip(s.Name, 26), unit: "nats per byte", about: "loss at " + s.Name, tiny: true}
		for _, name := range []scenarios.CurveName{scenarios.Alone, scenarios.Federated} {
			curve := r.Curve(name, s.Name)
			if curve == nil {
				continue
			}
			line := series{name: s.Name + ", " + string(name), class: curveClass(name)}
			for _, p := range curve.Points {
				if p.Own > 0 {
					line.points = append(line.points, [2]float64{float64(p.Round), p.Own})
				}
			}
			if len(line.points) > 0 {
				c.series = append(c.series, line)
			}
		}
		if len(c.series) > 0 && len(panels) < maxPanels {
			c.series = append(c.series, series{points: [][2]float64{{0, lo}, {0, hi}}, class: "unseen"}) // one scale for all
			panels = append(panels, c.draw())
		}
	}
	return panels
}
