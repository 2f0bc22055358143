package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// scale maps values to pixels.
type scale struct {
	from, to float64 // values
	a, b     float64 // pixels
}

func (s scale) at(v float64) float64 {
	if s.to == s.from {
		return s.a
	}
	return s.a + (v-s.from)/(s.to-s.from)*(s.b-s.a)
}

// ticks returns round numbers within the scale, about as many as wanted.
func (s scale) ticks(wanted int) []float64 {
	return s.every(niceStep((s.to - s.from) / float64(max(1, wanted))))
}

func (s scale) every(step float64) (at []float64) {
	if !(step > 0) || math.IsInf(step, 0) {
		return nil
	}
	for n := math.Ceil(s.from/step - 1e-9); n*step <= s.to+step*1e-9 && len(at) < 100; n++ {
		at = append(at, n*step+0) // never -0
	}
	return at
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	if !(v > 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// timeTicks returns times that people read at ease.
func (s scale) timeTicks(wanted int) []float64 {
	steps := []time.Duration{
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
		20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour,
	}
	for _, step := range steps {
		if (s.to-s.from)/float64(step) <= float64(wanted) {
			return s.every(float64(step))
		}
	}
	return s.every(float64(steps[len(steps)-1]))
}

// span writes a time span: 350ms, 4.2s, 3m20s, 5h02m, 2d04h.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + span(-d)
	case d == 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%.0fms", float64(d)/1e6)
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1fs", d.Seconds()), ".0s", "s", 1)
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return strings.TrimSuffix(fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60), "00s")
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		return strings.TrimSuffix(fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60), "00m")
	}
	d = d.Round(time.Hour)
	return strings.TrimSuffix(fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24), "00h")
}

// size writes a number of bytes: 999 B, 1.2 MB, 50 GB.
func size(n float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if n < 999.5 || unit == "TB" {
			s := fmt.Sprintf("%.1f", n)
			if n >= 99.5 || unit == "B" {
				s = fmt.Sprintf("%.0f", n)
			}
			return strings.TrimSuffix(s, ".0") + " " + unit
		}
		n /= 1000
	}
	return ""
}

// plural writes "1 site", "3 sites".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
