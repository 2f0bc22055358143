package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// canvas is an SVG picture under way. Its classes are those of style.css.
type canvas struct {
	w, h float64
	b    strings.Builder
}

// newCanvas returns an empty picture of a size in pixels; about says what it shows to who cannot see it.
func newCanvas(w, h float64, about string) *canvas {
	c := &canvas{w: w, h: h}
	fmt.Fprintf(&c.b, `<svg viewBox="0 0 %s %s" style="max-width:%spx" role="img" aria-label="%s">`, num(w), num(h), num(w*1.1), html.EscapeString(about))
	return c
}

// picture ends the drawing.
func (c *canvas) picture() template.HTML {
	c.b.WriteString("</svg>\n")
	return template.HTML(c.b.String()) //nolint:gosec // all text in it went through element, which escapes
}

// num writes a coordinate.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// attrs are an element's attributes: name, value, name, value.
type attrs []any

// element writes an element with its tooltip; text is what stands in it.
func (c *canvas) element(name string, a attrs, text, tooltip string) {
	fmt.Fprintf(&c.b, "<%s", name)
	for i := 0; i+1 < len(a); i += 2 {
		v := a[i+1]
		if f, ok := v.(float64); ok {
			v = num(f)
		}
		if s := fmt.Sprint(v); s != "" {
			fmt.Fprintf(&c.b, ` %s="%s"`, a[i], html.EscapeString(s))
		}
	}
	if text == "" && tooltip == "" {
		c.b.WriteString("/>")
		return
	}
	c.b.WriteString(">")
	if tooltip != "" {
		fmt.Fprintf(&c.b, "<title>%s</title>", html.EscapeString(tooltip))
	}
	fmt.Fprintf(&c.b, "%s</%s>", html.EscapeString(text), name)
}

func (c *canvas) rect(x, y, w, h float64, class, tooltip string, more ...any) {
	c.element("rect", append(attrs{"x", x, "y", y, "width", max(w, 0), "height", max(h, 0), "class", class}, more...), "", tooltip)
}

func (c *canvas) line(x1, y1, x2, y2 float64, class, tooltip string, more ...any) {
	c.element("line", append(attrs{"x1", x1, "y1", y1, "x2", x2, "y2", y2, "class", class}, more...), "", tooltip)
}

func (c *canvas) circle(x, y, r float64, class, tooltip string) {
	c.element("circle", attrs{"cx", x, "cy", y, "r", r, "class", class}, "", tooltip)
}

// polyline joins points, which are x, y, x, y.
func (c *canvas) polyline(points []float64, class, tooltip string) {
	var b strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		fmt.Fprintf(&b, "%s,%s ", num(points[i]), num(points[i+1]))
	}
	c.element("polyline", attrs{"points", strings.TrimSpace(b.String()), "class", class}, "", tooltip)
}

// Where text stands relative to its point.
const (
	left   = ""
	middle = "mid"
	right  = "end"
)

func (c *canvas) text(x, y float64, anchor, class, s string) {
	c.element("text", attrs{"x", x, "y", y, "class", strings.TrimSpace(anchor + " " + class)}, s, "")
}

// turned writes text that climbs to the right, from its point or up to it.
func (c *canvas) turned(x, y float64, anchor, class, s string) {
	c.element("text", attrs{"class", strings.TrimSpace(anchor + " " + class), "transform", fmt.Sprintf("translate(%s %s) rotate(-50)", num(x), num(y))}, s, "")
}

// swatch is an entry of a legend; it returns where the next may begin.
func (c *canvas) swatch(x, y float64, class, name string) float64 {
	c.rect(x, y-9, 14, 10, class, "")
	c.text(x+19, y, left, "small", name)
	return x + 19 + textWidth(name) + 14
}

// textWidth guesses how wide small text is.
func textWidth(s string) float64 { return 6.3 * float64(len([]rune(s))) }
