package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// Size of the picture and of the margins that hold its labels, in pixels.
const (
	plotWidth, plotHeight = 640, 360
	marginLeft, marginTop = 48, 16
	marginRight           = 90
	marginBottom          = 40
)

// curve is a line of the picture.
type curve struct {
	name, colour string
	column       int // of the log
}

var curves = []curve{
	{"training", "#7a9cc6", 2},
	{"held-out", "#c0504d", 3},
}

// draw turns the loss curve in the CSV file log into an SVG picture.
func draw(log, plot string) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", log, err)
	}
	var rows [][]float64
	for _, r := range records[min(1, len(records)):] {
		row := make([]float64, len(r))
		for i, s := range r {
			if row[i], err = strconv.ParseFloat(s, 64); err != nil {
				return fmt.Errorf("%s: %w", log, err)
			}
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 {
		return nil // no line to draw
	}
	return os.WriteFile(plot, []byte(picture(rows)), 0o644)
}

// picture draws rows of (step, tokens, training loss, held-out loss).
func picture(rows [][]float64) string {
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		low, high = min(low, r[2], r[3]), max(high, r[2], r[3])
	}
	const grid = 0.2 // nats per byte between lines
	low, high = math.Floor(low/grid)*grid, math.Ceil(high/grid)*grid
	most := rows[len(rows)-1][1]
	x := func(tokens float64) float64 {
		return marginLeft + tokens/most*(plotWidth-marginLeft-marginRight)
	}
	y := func(loss float64) float64 {
		return marginTop + (high-loss)/(high-low)*(plotHeight-marginTop-marginBottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<title>Loss of the base model in nats per byte</title><rect width="100%%" height="100%%" fill="white"/>`+"\n")
	for i := 0; low+float64(i)*grid < high+grid/2; i++ {
		v := low + float64(i)*grid
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.1f</text>`+"\n",
			marginLeft, y(v), plotWidth-marginRight, marginLeft-6, y(v)+4, v)
	}
	const every = 5e6 // tokens between labels
	for v := 0.0; v <= most; v += every {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f M</text>`+"\n", x(v), plotHeight-marginBottom+18, v/1e6)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">bytes read</text>`+"\n", (plotWidth-marginRight+marginLeft)/2, plotHeight-6)
	for _, c := range curves {
		var path strings.Builder
		for i, r := range rows {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x(r[1]), y(r[c.column]))
		}
		last := rows[len(rows)-1][c.column]
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%d" y="%.1f" fill="%s">%s</text>`+"\n",
			path.String(), c.colour, plotWidth-marginRight+6, y(last)+4+12*float64(c.column-2), c.colour, c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
