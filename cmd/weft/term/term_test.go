package term

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Bytes(int64(0)), "0 B"}, {Bytes(int64(999)), "999 B"}, {Bytes(int64(1000)), "1.0 kB"},
		{Bytes(uint64(999_949)), "999.9 kB"}, {Bytes(uint64(999_950)), "1.0 MB"}, {Bytes(uint64(5_400_000_000)), "5.4 GB"},
		{Bytes(uint64(1 << 63)), "9223.4 PB"},
		{Count(12), "12"}, {Count(12_345), "12.3k"}, {Count(4_500_000), "4.5M"},
		{Duration(400 * time.Millisecond), "0.4s"}, {Duration(59900 * time.Millisecond), "59s"},
		{Duration(200 * time.Second), "3m20s"}, {Duration(5*time.Hour + 2*time.Minute), "5h02m"},
		{Duration(76 * time.Hour), "3d04h"}, {Duration(-1), "-"},
		{Plural(1, "site"), "1 site"}, {Plural(uint64(3), "round"), "3 rounds"},
		{Bar(4, 0, 0), "░░░░"}, {Bar(4, 1, 2), "██░░"}, {Bar(4, 9, 2), "████"}, {Bar(3, 1, 2), "█▒░"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestBarHasItsWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(1, 60).Draw(t, "width")
		b := Bar(w, rapid.Uint64().Draw(t, "done"), rapid.Uint64().Draw(t, "all"))
		if got := ansi.StringWidth(b); got != w {
			t.Fatalf("%q is %d wide, want %d", b, got, w)
		}
	})
}

func TestTableKeepsItsWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := NewTable(Column{Name: "name", Shrink: true}, Column{Name: "n", Right: true}, Column{Name: "text", Shrink: true})
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			tab.Row(rapid.StringMatching(`[a-zé]{0,70}`).Draw(t, "name"), "12", rapid.StringMatching(`[a-z ]{0,99}`).Draw(t, "text"))
		}
		for line := range strings.Lines(tab.Text(40, strings.ToUpper)) {
			if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); w > 40 {
				t.Fatalf("%q is %d wide", line, w)
			}
		}
	})
}

// What wraps is whole, and stays in its column.
func TestTableWraps(t *testing.T) {
	tab := NewTable(Column{Name: "n", Right: true}, Column{Name: "text", Wrap: true}, Column{Name: "end"})
	tab.Row("7", "the quick brown fox", "x")
	tab.Row("8", "jumps", "y")
	want := "n  text        end\n7  the quick   x\n   brown fox\n8  jumps       y\n"
	if got := tab.Text(18, func(s string) string { return s }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableText(t *testing.T) {
	tab := NewTable(Column{Name: "site"}, Column{Name: "sent", Right: true})
	tab.Row("a", "12")
	tab.Row("longer")
	want := "SITE    SENT\na         12\nlonger\n"
	if got := tab.Text(80, strings.ToUpper); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestNoTerminalIsPlain(t *testing.T) {
	var b bytes.Buffer
	o := New(&b)
	if o.TTY || o.Columns() != wide {
		t.Errorf("a buffer is taken for a terminal")
	}
	if s := o.Bad("x") + o.Bold("y") + o.Dim("z"); s != "xyz" {
		t.Errorf("coloured: %q", s)
	}
	want := errors.New("from work")
	err := o.Live(context.Background(), func() string { t.Error("a frame"); return "" }, func(context.Context) error { return want })
	if !errors.Is(err, want) || b.Len() > 0 {
		t.Errorf("got %v and %q", err, b.String())
	}
}

func TestOptionalColumns(t *testing.T) {
	for rows, want := range map[string]string{"": "a\nx\n", "y": "a  b\nx  y\n"} {
		table := NewTable(Column{Name: "a"}, Column{Name: "b", Optional: true})
		table.Row("x", rows)
		if got := table.Text(Width, func(s string) string { return s }); got != want {
			t.Errorf("%q: %q, want %q", rows, got, want)
		}
	}
}

// What others say in a log stays in its line and commands nothing.
func TestLogQuotes(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewLog(New(&b), slog.LevelInfo))
	log.Info("peer misbehaves", "what", "a\x1b[2J", "raw", "a\x9b2J", "lines", "a\nb", "plain", "a/b")
	want := `peer misbehaves  what="a\x1b[2J"  raw="a\x9b2J"  lines="a\nb"  plain=a/b` + "\n"
	if got := b.String()[len("01-02 15:04:05  "):]; got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

// What others have written reaches a terminal as text alone, in JSON escaped.
func TestPlain(t *testing.T) {
	const text = "a\x1b[2J\u009b2Jb\u202ec\x1b[31mred\x1b[0m\x07\te\u0301é\u2066\U000e0041 🙂\n"
	if got, want := Plain(text), "a[2J2Jbc\x1b[31mred\x1b[0m\te\u0301é 🙂\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var back string
	safe := PlainJSON(data)
	if err := json.Unmarshal([]byte(safe), &back); err != nil || back != text {
		t.Errorf("%q, %v", back, err)
	}
	if Plain(safe) != safe || strings.Contains(safe, "\x1b") {
		t.Errorf("%q", safe)
	}
	var b bytes.Buffer
	out := New(&b)
	out.Printf("%s", "\u009b")
	out.Println("\u202e")
	if b.String() != "\n" {
		t.Errorf("%q", b.String())
	}
	if _, err := out.Write([]byte("\x9b")); err != nil || b.String() != "\n\x9b" {
		t.Error("bytes are no text")
	}
}

func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, width := rapid.StringMatching(`[a-zé-]{1,9}( [a-zé-]{1,30}){0,9}`).Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "width")
		lines := Wrap(text, width)
		for _, line := range lines {
			if ansi.StringWidth(line) > width {
				t.Fatalf("%q is wider than %d", line, width)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if bare(strings.Join(lines, "")) != bare(text) {
			t.Fatalf("%q is not %q", lines, text)
		}
	})
	if got := Wrap("hospital-a hospital-b c", 12); !slices.Equal(got, []string{"hospital-a", "hospital-b c"}) {
		t.Errorf("got %q", got)
	}
}

// What is too high loses its end, what is too wide nothing.
func TestLiveFits(t *testing.T) {
	m := &liveModel{frame: func() string { return "one\ntwo and more\nthree\nfour\n" }, columns: func() int { return 8 }}
	if got := m.View(); got != "one\ntwo and\n more\nthree\nfour\n" && got != "one\ntwo and \nmore\nthree\nfour\n" {
		t.Errorf("got %q", got)
	}
	m.Update(tea.WindowSizeMsg{Width: 8, Height: 3})
	if got := strings.Split(m.View(), "\n"); len(got) != 3 || got[0] != "one" || got[2] != "…" {
		t.Errorf("got %q", got)
	}
}
