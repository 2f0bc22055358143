package term

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/charmbracelet/x/ansi"
)

// colour is how weft asks a terminal for one.
var colour = regexp.MustCompile(`^\x1b\[[0-9;]*m`)

// Plain returns a text without what would command a terminal or reorder what it shows. Names are checked where they come in, but
// what others write reaches a terminal in other ways too. Colours stay, which are weft's own, line ends and tabs.
func Plain(text string) string {
	if strings.IndexFunc(text, commands) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if !commands(r) || r == '\x1b' && colour.MatchString(text[i:]) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// commands reports whether a character may do more than be shown.
func commands(r rune) bool {
	return !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r'
}

// PlainJSON returns JSON with those characters escaped, which is the same value.
func PlainJSON(data []byte) string {
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case !commands(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Bar returns a bar of width columns, done of all of it filled; empty if all is 0.
func Bar(width int, done, all uint64) string {
	full := 0.0
	if all > 0 {
		full = math.Min(1, float64(done)/float64(all)) * float64(width)
	}
	whole := int(full)
	s := strings.Repeat("█", whole)
	if whole < width {
		s += [...]string{"░", "▒", "▓"}[int((full-float64(whole))*3)]
		s += strings.Repeat("░", width-whole-1)
	}
	return s
}

// Wrap breaks text into lines of at most width columns, between words where it can.
//
// ansi.Wrap breaks lines after hyphens too: in the middle of a site's name, or of a flag. And where a word is longer than
// a line and has letters beyond ASCII, its lines grow too long (v0.10.1).
func Wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && ansi.StringWidth(line)+1+ansi.StringWidth(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		parts := strings.Split(ansi.Hardwrap(word, max(width, 1), false), "\n") // one, unless the word is too long
		for _, part := range parts[:len(parts)-1] {
			lines, line = append(lines, line+part), ""
		}
		line += parts[len(parts)-1]
	}
	return append(lines, line)
}

// Bytes returns a size with one decimal and a unit: 999 B, 1.2 MB, 50.0 GB. In a column they stand below each other, as
// go-humanize's do not: it drops the decimal from 10 on, and writes 999,950 B as 1000 kB.
func Bytes[T int64 | uint64](n T) string {
	v := float64(n)
	if v < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; v < 999.95 {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	return fmt.Sprintf("%.1f PB", v/1000)
}

// Count returns a large number in three digits or so: 950, 12.3k, 4.5M, 1.23e+15.
func Count(v float64) string {
	switch abs := math.Abs(v); {
	case abs < 999.5:
		return fmt.Sprintf("%.0f", v)
	case abs < 999_950:
		return fmt.Sprintf("%.1fk", v/1e3)
	case abs < 1e12:
		return fmt.Sprintf("%.1fM", v/1e6)
	}
	return fmt.Sprintf("%.2e", v)
}

// Duration returns a time span as a person says it: 0.4s, 12s, 3m20s, 5h02m, 3d04h. go-humanize has words for dates
// alone, such as 3 minutes ago.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", math.Floor(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// Plural returns "1 site", "3 sites".
func Plural[T int | uint64](n T, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
