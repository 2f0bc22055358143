//go:build !node

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/trace"
)

// slowMesh is a recording of four sites, of which the third is ready after n seconds and all decide a second later.
func slowMesh(driver scenarios.Driver, n time.Duration) *scenarios.Recording {
	r := &scenarios.Recording{Scenario: &scenarios.Scenario{Faults: ledger.Byzantine, Sites: []scenarios.Group{{Name: "s", Count: 4}}}, Driver: driver, Took: 20 * time.Second}
	line := func(at time.Duration, site int, e trace.Event) {
		r.Trace = append(r.Trace, scenarios.Line{At: at, Site: site, Event: e})
	}
	entry := func(kind string, height uint64) trace.Decision {
		return trace.Decision{Kind: kind, Entry: block.Of(height).CID}
	}
	line(0, 0, trace.Decided{Subject: trace.At(1), Decision: entry("open", 1)})
	for height := uint64(2); height <= 3; height++ {
		begun := time.Duration(height-2) * (n + time.Second)
		for site := range 4 {
			line(begun+[]time.Duration{0, time.Millisecond, n, n + time.Millisecond}[site], site, trace.Ready{Subject: trace.At(height), Decision: entry("commit", height)})
		}
		for site := range 4 {
			line(begun+n+time.Second, site, trace.Decided{Subject: trace.At(height), Decision: entry("commit", height)})
		}
	}
	r.Sites = make([]scenarios.Record, 4)
	for i := range r.Sites {
		r.Sites[i].Sent.BlockBytes = 3_000_000
	}
	return r
}

func TestSideBySide(t *testing.T) {
	fast, slow := slowMesh(scenarios.Simulated, 2*time.Second), slowMesh(scenarios.Real, 4*time.Second)
	if got, want := roundTimes(slow), []time.Duration{5 * time.Second, 5 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("rounds took %v, want %v", got, want)
	}
	if got, want := agreements(slow), []time.Duration{time.Second, time.Second}; !slices.Equal(got, want) {
		t.Errorf("agreements took %v, want %v", got, want)
	}
	text := sideBySide([]*scenarios.Recording{fast, slow}, term.New(&bytes.Buffer{}))
	for _, want := range []string{"simulated", "real", "3.00 s", "5.00 s", "1.00 s", "3.0 MB"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
