package term

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// Whatever sites report, a plot fits, has no escape sequences without colours, and says something or is left out.
func TestCurves(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		series [][]float64
		want   []string // none: nothing is drawn
	}{
		"two sites":        {[][]float64{{2, 1.5, 1}, {1, nan, 1}}, []string{"   2 ┼a", "a: a   b: b\n"}},
		"every second":     {[][]float64{{1, nan, 2, nan, 3}}, []string{"3 ┤", "aaa"}},
		"one round":        {[][]float64{{1}}, nil},
		"one value":        {[][]float64{{nan, 1, nan}, {nan, nan, nan}}, nil},
		"nothing":          {[][]float64{{nan, nan}}, nil},
		"no sites":         {nil, nil},
		"diverged":         {[][]float64{{1, 1e30, 2}}, []string{"1e+30 ┤"}},
		"too far apart":    {[][]float64{{1e308, -1e308, 1}}, nil},
		"all the same":     {[][]float64{{3, 3, 3}}, []string{"3┼"}},
		"tiny differences": {[][]float64{{1, 1 + 1e-15, 1}}, []string{"1┼"}},
		"denormal":         {[][]float64{{0, 5e-324, 0}}, []string{"┼"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := New(&bytes.Buffer{})
			o.Wide = 40
			names := []string{"a", "b"}[:len(c.series)]
			last := uint64(1)
			if len(c.series) > 0 {
				last = uint64(len(c.series[0]))
			}
			text := o.Curves(names, c.series, 1, last)
			if (text == "") != (c.want == nil) {
				t.Errorf("drawn:\n%s", text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if strings.Contains(text, "\x1b") {
				t.Errorf("escape sequences in %q", text)
			}
			for line := range strings.Lines(text) {
				if n := len([]rune(strings.TrimRight(line, " \n"))); n > 40 {
					t.Errorf("%d columns: %q", n, line)
				}
			}
		})
	}
}
