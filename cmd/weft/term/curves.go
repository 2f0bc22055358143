package term

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/guptarohit/asciigraph"
	"github.com/muesli/termenv"
)

const (
	curveHeight = 10 // lines
	curveWidth  = 72 // columns at most, without the axis
	axisWidth   = 13 // columns: a label of four digits with its exponent, and the axis
	axisTicks   = 6
)

var curveColors = []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Yellow, asciigraph.Green, asciigraph.Magenta, asciigraph.Red, asciigraph.Aqua}

// Curves plots series over the numbers from first to last, a value for each. Over a NaN within a series its line goes straight;
// before its first value and after its last it has none. Series differ in colour, or, without colours, in the letter that
// draws them. Nothing is drawn if no series has two values, or if they are too far apart for any scale.
func (o *Out) Curves(names []string, series [][]float64, first, last uint64) string {
	lines, low, high := make([][]float64, len(series)), math.Inf(1), math.Inf(-1)
	longest := 0
	for i, s := range series {
		n := 0
		lines[i], n = bridged(s)
		longest = max(longest, n)
		for _, v := range s {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	span := high - low
	if longest < 2 || math.IsInf(span, 0) {
		return ""
	}
	for _, line := range lines { // to a scale that the library can count on
		for i := range line {
			if line[i] -= low; span > 0 {
				line[i] /= span
			}
		}
	}
	options := []asciigraph.Option{
		asciigraph.Height(curveHeight), asciigraph.Width(min(curveWidth, max(2, o.Columns()-axisWidth))),
		asciigraph.YAxisValueFormatter(func(v float64) string { return strconv.FormatFloat(low+v*span, 'g', 4, 64) }),
		asciigraph.XAxisRange(float64(first), float64(last)), asciigraph.XAxisTickCount(int(min(axisTicks, last-first+1))),
		asciigraph.XAxisValueFormatter(Count),
	}
	if o.styles.ColorProfile() != termenv.Ascii {
		colors := slices.Repeat(curveColors, len(series)/len(curveColors)+1)[:len(series)]
		return asciigraph.PlotMany(lines, append(options, asciigraph.SeriesColors(colors...), asciigraph.SeriesLegends(names...))...) + "\n"
	}
	var marks []asciigraph.CharSet
	var legend []string
	for i, name := range names {
		mark := string(rune('a' + i%26))
		marks = append(marks, asciigraph.CreateCharSet(mark))
		legend = append(legend, mark+": "+name)
	}
	return asciigraph.PlotMany(lines, append(options, asciigraph.SeriesChars(marks...))...) + "\n\n" + strings.Repeat(" ", axisWidth) + strings.Join(legend, "   ") + "\n"
}

// bridged returns a series whose gaps are filled in by straight lines, and how many values it has had.
func bridged(series []float64) (line []float64, values int) {
	line = slices.Clone(series)
	before := -1
	for i, v := range series {
		if math.IsNaN(v) {
			continue
		}
		for j := before + 1; before >= 0 && j < i; j++ {
			part := float64(j-before) / float64(i-before)
			line[j] = series[before]*(1-part) + v*part
		}
		before = i
		values++
	}
	return line, values
}
