package report

import (
	"fmt"
	"html/template"
	"math"
	"time"

	"github.com/weft-mesh/weft/scenarios"
)

// maxCells is how many rows and columns the matrix has; sites beyond share cells with their neighbours.
const maxCells = 48

// scales are what pictures that stand side by side have in common, so that they can be compared.
type scales struct {
	time time.Duration // of the longest run
	site float64       // most bytes that a site has sent or received
	cell float64       // most bytes in a cell of the matrix of links
}

// include makes the scales fit a recording.
func (c *scales) include(r *scenarios.Recording, s *story) {
	c.time = max(c.time, s.ends)
	for _, site := range r.Sites {
		c.site = max(c.site, float64(site.Sent.Bytes()), float64(site.Received.Bytes()))
	}
	if len(r.Sites) > 1 && len(r.Links) == len(r.Sites) {
		_, most := cellSums(r.Links)
		c.cell = max(c.cell, most)
	}
}

// drawLinks draws the bytes of every link as a matrix: rows send, columns receive; the darkest is most.
func drawLinks(r *scenarios.Recording, most float64) template.HTML {
	n := len(r.Sites)
	if n < 2 || len(r.Links) != n {
		return ""
	}
	per := sitesPerCell(n)
	sum, _ := cellSums(r.Links)
	cells := len(sum)
	cell := min(34, 560/float64(cells))
	x0, y0 := labelWidth, 92.0
	side := cell * float64(cells)
	c := newCanvas(max(x0+side+170, 520), y0+side+16, "bytes per link")
	for i := range cells {
		if cell >= 9 {
			name := r.Sites[i*per].Name
			if last := min((i+1)*per, len(r.Sites)) - 1; last > i*per {
				name += fmt.Sprintf(" +%d", last-i*per)
			}
			c.text(x0-6, y0+cell*(float64(i)+0.5)+4, right, "small", clip(name, 16))
			c.turned(x0+cell*(float64(i)+0.5)+3, y0-5, left, "small turned", clip(name, 14))
		}
		for j := range cells {
			if i == j && per == 1 {
				continue
			}
			c.rect(x0+cell*float64(j), y0+cell*float64(i), cell-0.6, cell-0.6, "heat",
				fmt.Sprintf("%s to %s: %s", cellName(r, i, per), cellName(r, j, per), size(sum[i][j])), "fill-opacity", shade(sum[i][j], most))
		}
	}
	c.text(x0, y0+side+13, left, "small", "rows send, columns receive")
	for k := range 5 { // the key
		v := most * float64(k) / 4
		y := y0 + 22*float64(k)
		c.rect(x0+side+24, y, 18, 18, "heat", "", "fill-opacity", shade(v, most))
		c.text(x0+side+50, y+13, left, "small", size(v))
	}
	return c.picture()
}

// shade is how dark a cell is: the root, so that small amounts show beside large ones.
func shade(v, most float64) string {
	if most == 0 {
		return "0.04"
	}
	return fmt.Sprintf("%.2f", 0.04+0.96*math.Sqrt(v/most))
}

// sitesPerCell is how many sites share a row and a column.
func sitesPerCell(n int) int { return (n + maxCells - 1) / maxCells }

// cellSums adds the links up by cells, and returns the largest sum too.
func cellSums(links [][]int64) (sum [][]float64, most float64) {
	per := sitesPerCell(len(links))
	sum = make([][]float64, (len(links)+per-1)/per)
	for i := range sum {
		sum[i] = make([]float64, len(sum))
	}
	for i, row := range links {
		for j, b := range row {
			sum[i/per][j/per] += float64(b)
			most = max(most, sum[i/per][j/per])
		}
	}
	return sum, most
}

func cellName(r *scenarios.Recording, i, per int) string {
	first := r.Sites[i*per].Name
	last := r.Sites[min((i+1)*per, len(r.Sites))-1].Name
	if first == last {
		return first
	}
	return first + " to " + last
}

// drawTraffic draws what each site has sent, upwards, and received, downwards; the axes reach to most.
func drawTraffic(r *scenarios.Recording, most float64) template.HTML {
	if most == 0 {
		return ""
	}
	n := float64(len(r.Sites))
	named := n <= 48
	bottom := 40.0
	if named {
		bottom += 50
	}
	c := newCanvas(wide, 300+bottom, "bytes per site")
	step := (wide - 92) / n
	width := min(46, step*0.8)
	up := scale{0, most * 1.04, 160, 20}
	below := scale{0, most * 1.04, 160, 300}
	for _, v := range up.ticks(4) {
		for _, s := range []scale{up, below} {
			c.line(80, s.at(v), wide-12, s.at(v), "grid", "")
			c.text(74, s.at(v)+4, right, "small", size(v))
		}
	}
	c.text(74, 12, right, "small bold", "sent")
	c.text(74, 316, right, "small bold", "received")
	for i, s := range r.Sites {
		x := 80 + step*(float64(i)+0.5) - width/2
		column := func(t scenarios.Traffic, y scale, verb string) {
			tip := fmt.Sprintf("%s %s %s: %s of models and updates, %s of messages", s.Name, verb, size(float64(t.Bytes())),
				size(float64(t.BlockBytes)), size(float64(t.MessageBytes)))
			a, b, e := y.at(0), y.at(float64(t.BlockBytes)), y.at(float64(t.Bytes()))
			c.rect(x, min(a, b), width, math.Abs(a-b), "blocks", tip)
			c.rect(x, min(b, e), width, math.Abs(b-e), "messages", tip)
		}
		column(s.Sent, up, "sent")
		column(s.Received, below, "received")
		if named {
			class := "small turned"
			if s.Adversary != "" {
				class += " bad"
			}
			c.turned(x+width/2+4, 314, right, class, clip(s.Name, 14))
		}
	}
	c.line(80, 160, wide-12, 160, "axis", "")
	y := 300 + bottom - 8
	c.swatch(c.swatch(80, y, "blocks", "models and updates"), y, "messages", "messages")
	return c.picture()
}
