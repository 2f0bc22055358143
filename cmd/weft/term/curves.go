package term

import (
	"slices"
	"strings"

	"github.com/guptarohit/asciigraph"
	"github.com/muesli/termenv"
)

const (
	curveHeight = 10 // lines
	curveWidth  = 72 // columns at most, without the axis
	axisWidth   = 10 // columns
	axisTicks   = 6
)

var curveColors = []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Yellow, asciigraph.Green, asciigraph.Magenta, asciigraph.Red, asciigraph.Aqua}

// Curves plots series over the numbers from first to last, a value for each; NaN leaves a gap. Series differ in
// colour, or, without colours, in the letter that draws them.
func (o *Out) Curves(names []string, series [][]float64, first, last uint64) string {
	options := []asciigraph.Option{
		asciigraph.Height(curveHeight), asciigraph.Width(min(curveWidth, max(2, o.Columns()-axisWidth))), asciigraph.Precision(3),
		asciigraph.XAxisRange(float64(first), float64(last)), asciigraph.XAxisTickCount(int(min(axisTicks, last-first+1))),
		asciigraph.XAxisValueFormatter(Count),
	}
	if o.styles.ColorProfile() != termenv.Ascii {
		colors := slices.Repeat(curveColors, len(series)/len(curveColors)+1)[:len(series)]
		return asciigraph.PlotMany(series, append(options, asciigraph.SeriesColors(colors...), asciigraph.SeriesLegends(names...))...) + "\n"
	}
	var marks []asciigraph.CharSet
	var legend []string
	for i, name := range names {
		mark := string(rune('a' + i%26))
		marks = append(marks, asciigraph.CreateCharSet(mark))
		legend = append(legend, mark+": "+name)
	}
	return asciigraph.PlotMany(series, append(options, asciigraph.SeriesChars(marks...))...) + "\n\n" + strings.Repeat(" ", axisWidth) + strings.Join(legend, "   ") + "\n"
}
