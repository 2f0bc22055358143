package bench

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/term"
)

// Ways are taken in turn, the first time for nothing, and compared within each turn.
func TestMeasure(t *testing.T) {
	var order strings.Builder
	way := func(name string, slower time.Duration) Way {
		turn := time.Duration(0)
		return Way{Name: name, Does: "waits", Run: func(context.Context) (Cost, error) {
			order.WriteString(name)
			turn++
			return Cost{Wall: turn * slower * time.Second, CPU: slower * time.Second}, nil
		}}
	}
	done := 0
	c, err := Measure(t.Context(), "test", 12e9, []Way{way("a", 1), way("b", 2)}, []string{"a"}, 3, func(n int) { done = n })
	if err != nil || done != 3 || order.String() != "abab"+"ba"+"ab" {
		t.Fatalf("%v, %d turns in the order %s", err, done, &order)
	}
	a, b := c.Ways[0], c.Ways[1]
	half := Quartiles{0.5, 0.5, 0.5}
	if a.Rate.Median != 4e9 || b.Of["a"] != half || b.CPUOf["a"].Median != 2 || len(a.Of) != 0 {
		t.Errorf("got %+v", c)
	}
	text := c.Text(term.New(&bytes.Buffer{}))
	for _, want := range []string{"12.0 GB, 3 times in turn", "of a", "0.50 [0.50..0.50]", "4000 [3500..5000]"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	failed := errors.New("no")
	if _, err := Measure(t.Context(), "test", 1, []Way{{Name: "c", Run: func(context.Context) (Cost, error) { return Cost{}, failed }}}, []string{"c"}, 1, func(int) {}); !errors.Is(err, failed) || !strings.Contains(err.Error(), "c:") {
		t.Error(err)
	}
}

// Each measurement runs, and every way in it moves the bytes.
func TestRuns(t *testing.T) {
	const size = 2 << 20
	link := Link{RoundTrip: time.Millisecond, Bandwidth: 1e9}
	for name, run := range map[string]func(context.Context, func(int)) (*Comparison, error){
		"reduce":   Reduce{Inputs: 3, Bytes: size, Turns: 1}.Run,
		"store":    Store{Dir: t.TempDir(), Bytes: size, Turns: 1}.Run,
		"exchange": Exchange{Dir: t.TempDir(), Bytes: size, Turns: 1}.Run,
		"link":     Exchange{Dir: t.TempDir(), Bytes: size, Turns: 1, Link: &link}.Run,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := run(t.Context(), func(int) {})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range c.Ways {
				if w.Rate.Median <= 0 || name == "link" && w.Rate.Median > 1e9/8*1.5 {
					t.Errorf("%s: %.0f bytes a second", w.Name, w.Rate.Median)
				}
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	for _, r := range []Reduce{{Inputs: 0, Bytes: 1 << 20, Turns: 1}, {Inputs: 1, Bytes: 1, Turns: 1}, {Inputs: 1, Bytes: 1 << 20}} {
		if _, err := r.Run(t.Context(), func(int) {}); err == nil {
			t.Errorf("%+v is measured", r)
		}
	}
	if _, err := (Store{Dir: t.TempDir(), Bytes: 1, Turns: 1}).Run(t.Context(), func(int) {}); err == nil {
		t.Error("a model of one byte is measured")
	}
}

func TestParseLink(t *testing.T) {
	l, err := ParseLink("100ms, 200Mbit,0.5%")
	if err != nil || l != (Link{100 * time.Millisecond, 200e6, 0.005}) || l.String() != "100ms,200Mbit,0.5%" {
		t.Errorf("%+v %q %v", l, l, err)
	}
	for text, want := range map[string]string{
		"":            "100ms,200Mbit,0.5%",
		"fast":        `"fast"`,
		"-1s":         "0s to 10s",
		"60%":         "50%",
		"NaN%":        "50%",
		"1bit":        "1kbit",
		"1ms,2ms":     "a second round trip",
		"1Mbit,2Mbit": "a second rate",
	} {
		if _, err := ParseLink(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzParseLink: what is read is within its limits, and written it is read again.
func FuzzParseLink(f *testing.F) {
	for _, s := range []string{"100ms,200Mbit,0.5%", "1s", "1kbit", "1e3Mbit,50%", "0s", ",", "1.5Gbit,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLink(s)
		if err != nil {
			return
		}
		if l.RoundTrip < 0 || l.RoundTrip > 10*time.Second || l.Bandwidth < 0 || l.Bandwidth > 1e12 || !(l.Loss >= 0 && l.Loss <= 0.5) {
			t.Errorf("%q is %+v", s, l)
		}
		if again, err := ParseLink(l.String()); err != nil || again.RoundTrip != l.RoundTrip {
			t.Errorf("%q is written as %s: %v", s, l, err)
		}
	})
}
