package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/play/simulated"
)

const banks = `name: nine-banks
about: Nine banks on two continents, some of which fail
until: 30m
sites:
  - {name: bank, count: 5, region: europe, link: wan}
  - {name: trust, count: 2, region: us-east, link: dsl, speed: 0.7}
  - {name: vault, count: 1, region: us-east, link: dsl, adversary: silent}
  - {name: shy, region: japan, link: wan, declines: true}
trainer: {synthetic: {bytes: 4 MB, time: 30s, spread: 30%}}
run: {rounds: 8}
timeline:
  - {fault: crash, at: 60s, for: 90s, sites: [bank-2]}
  - {fault: partition, at: 3m, for: 50s, sites: [trust]}
  - {fault: loss, round: 5, amount: 20%, for: 40s}
  - {fault: slow, round: 6, amount: 3, for: 60s, sites: [bank-4]}
expect: {rounds: 8, same_model: true, bytes_per_site_below: 20 MB}
`

// played is what a simulation of a scenario leaves.
func played(t *testing.T, file string) *scenarios.Recording {
	t.Helper()
	s, err := scenarios.Parse("test.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	r, err := simulated.Play(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Replay = "weft scenario run " + s.Name + " --seed 1"
	return r
}

// learnt makes curves up, as training gives them: it takes a minute, and the picture is what counts here.
func learnt(r *scenarios.Recording) {
	curve := func(name scenarios.CurveName, site string, floor, pace, own float64) {
		c := scenarios.Curve{Name: name, Site: site}
		for n := range uint64(r.Scenario.Run.Rounds) + 1 {
			loss := floor + (1.92-floor)*math.Exp(-pace*float64(n))
			p := scenarios.Point{Round: n, All: loss, Accuracy: 0.9 - loss/4}
			if site != "" {
				p.Own = loss - own*float64(n)/8
			}
			c.Points = append(c.Points, p)
		}
		r.Curves = append(r.Curves, c)
	}
	curve(scenarios.Federated, "", 1.62, 0.35, 0)
	for i, s := range r.Sites {
		curve(scenarios.Federated, s.Name, 1.62, 0.35, 0.02*float64(i%3))
		curve(scenarios.Alone, s.Name, 1.71+0.012*float64(i), 0.5, 0.1)
	}
	curve(scenarios.Pooled, "", 1.58, 0.4, 0)
}

// write makes a page and checks that it is well formed and fetches nothing.
func write(t *testing.T, recordings ...*scenarios.Recording) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, recordings...); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if dir := os.Getenv("REPORT_DIR"); dir != "" {
		if err := os.WriteFile(fmt.Sprintf("%s/%s.html", dir, strings.ReplaceAll(t.Name(), "/", "-")), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, outside := range []string{"http://", "https://", "<script", "<link", "@import", "url(", "src="} {
		if strings.Contains(page, outside) {
			t.Errorf("the page needs something from outside: %s", outside)
		}
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Contains(page, "ZgotmplZ") {
		t.Error("a number that is none")
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for open := []string(nil); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return page
		}
		if err != nil {
			t.Fatalf("not well formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> closes %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestPage(t *testing.T) {
	r := played(t, banks)
	learnt(r)
	page := write(t, r)
	for _, want := range []string{
		"nine-banks", "not as expected", "every site sends less than 20.00 MB", "a quorum is 6", "weft scenario run nine-banks --seed 1", "bank-2", "silent",
		"partition", "loss (0.2)", "bank-3 to bank-1:", "came last", "pooled", "Bytes foretold", "spectral gap", "Loss on text like the site", "declines the run",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestPageWithoutLearning(t *testing.T) {
	if page := write(t, played(t, banks)); strings.Contains(page, "What was learnt") {
		t.Error("nothing was learnt")
	}
}

func TestSideBySide(t *testing.T) {
	a, b := played(t, banks), played(t, strings.Replace(banks, "until", "seed: 2\nuntil", 1))
	b.Driver = scenarios.Real
	b.Verdicts = b.Verdicts[:1]
	learnt(a)
	page := write(t, a, b)
	if strings.Count(page, "<figcaption>simulated") != 3 || strings.Count(page, "<figcaption>real") != 3 {
		t.Error("a picture has no pair")
	}
}

func TestLargeMesh(t *testing.T) {
	file := `name: large
until: 10m
sites:
  - {name: north, count: 34, region: europe, link: wan}
  - {name: south, count: 20, region: brazil, link: dsl}
trainer: {synthetic: {bytes: 100 kB, time: 30s, spread: 30%}}
run: {rounds: 1}
timeline:
  - {fault: crash, at: 20s, for: 20s, sites: [north-3, south-9]}
`
	if page := write(t, played(t, file)); len(page) > 4<<20 {
		t.Errorf("%d bytes", len(page))
	}
}

func TestNothingHappened(t *testing.T) {
	s, err := scenarios.Parse("test.yaml", []byte(banks))
	if err != nil {
		t.Fatal(err)
	}
	write(t, &scenarios.Recording{Scenario: s, Driver: scenarios.Simulated})
	r := &scenarios.Recording{Scenario: s, Driver: scenarios.Real, Sites: []scenarios.Record{{Name: `<b>"&'</b>`}}, Links: [][]int64{{0}}}
	r.Faults = []scenarios.Fault{{Kind: "crash", Sites: []int{7, -1, 0}, From: time.Hour}}
	r.Curves = []scenarios.Curve{{Name: scenarios.Alone, Site: "x"}}
	if page := write(t, r); strings.Contains(page, "<b>\"") {
		t.Error("a name is not escaped")
	}
	if err := Write(io.Discard); err == nil {
		t.Error("no recording makes no page")
	}
}

func TestStory(t *testing.T) {
	r := played(t, banks)
	s := tell(r)
	done := s.done()
	if len(done) != 8 {
		t.Fatalf("%d rounds, want 8", len(done))
	}
	for i, d := range done {
		if d.number != uint64(i+1) || d.opened >= d.sealed || d.sealed >= d.committed || d.updates < 6 || d.updates > 7 || d.last < 0 || d.views == 0 {
			t.Errorf("round %d: %+v", i+1, d)
		}
		if d.share < 1/float64(d.updates) || d.share > 1 || d.heaviest < 0 || d.heaviest >= len(r.Sites)-1 {
			t.Errorf("round %d: site %d has a share of %g", d.number, d.heaviest, d.share)
		}
		if i > 0 && d.opened != done[i-1].committed {
			t.Errorf("round %d opened at %v, the one before was committed at %v", d.number, d.opened, done[i-1].committed)
		}
	}
	for i, site := range s.sites {
		for k, one := range site {
			if one.to <= one.from || k > 0 && one.from < site[k-1].to {
				t.Errorf("%s: %+v after %+v", r.Sites[i].Name, one, site[max(0, k-1)])
			}
		}
	}
	crashed := false
	for _, one := range s.sites[1] {
		crashed = crashed || one.phase == down && one.from == 60*time.Second && one.to == 150*time.Second
	}
	if !crashed {
		t.Errorf("bank-2 was down from 60s to 150s: %+v", s.sites[1])
	}
	if len(s.sites[8]) != 0 {
		t.Errorf("a site that declines does nothing: %+v", s.sites[8])
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{span(0), "0s"}, {span(350 * time.Millisecond), "350ms"}, {span(4200 * time.Millisecond), "4.2s"}, {span(59 * time.Second), "59s"},
		{span(200 * time.Second), "3m20s"}, {span(2 * time.Minute), "2m"}, {span(5*time.Hour + 2*time.Minute), "5h02m"}, {span(52 * time.Hour), "2d04h"}, {span(-time.Second), "-1s"},
		{size(0), "0 B"}, {size(999), "999 B"}, {size(1000), "1 kB"}, {size(1234567), "1.2 MB"}, {size(250e9), "250 GB"}, {size(999.9e3), "1 MB"},
		{plural(1, "site"), "1 site"}, {plural(0, "site"), "0 sites"}, {clip("hospital-of-the-north-12", 12), "hospi…rth-12"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		from, to float64
		want     string
	}{{0, 10, "[0 2 4 6 8 10]"}, {1.61, 1.93, "[1.7 1.8 1.9]"}, {5, 5, "[5]"}, {0, 0, "[0]"}} {
		var at []string
		for _, v := range (scale{from: c.from, to: c.to}).ticks(5) {
			at = append(at, fmt.Sprintf("%.4g", v))
		}
		if got := fmt.Sprint(at); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	s := scale{0, float64(30 * time.Minute), 0, 1}
	if at := s.timeTicks(10); len(at) != 7 || at[1] != float64(5*time.Minute) {
		t.Errorf("%v", at)
	}
	if at := (scale{0, 1, 0, 1}).every(0); at != nil {
		t.Errorf("no step: %v", at)
	}
}
