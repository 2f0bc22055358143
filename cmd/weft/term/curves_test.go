package term

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// Without colours no escape sequence is written, and the letters and the gap show which series is which.
func TestCurves(t *testing.T) {
	o := New(&bytes.Buffer{})
	o.Wide = 40
	text := o.Curves([]string{"hospital-a", "hospital-b"}, [][]float64{{2, 1.5, 1}, {1, math.NaN(), 1}}, 1, 3)
	for _, want := range []string{"2.000 ┼a", "a: hospital-a   b: hospital-b\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("escape sequences in %q", text)
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 40 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
