package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
	"github.com/weft-mesh/weft/scenarios/sim"
	"github.com/weft-mesh/weft/trace"
)

func small(sites int, rounds uint64) Config {
	c := Config{
		Exe: os.Args[0], Faults: ledger.Crash, Until: 2 * time.Minute,
		Path: func(int, int) shape.Path { return shape.Path{Latency: 5 * time.Millisecond} },
		Run:  api.RunRequest{Spec: ledger.RunSpec{Name: "small", Rounds: rounds}, Init: true},
	}
	for i := range sites {
		c.Sites = append(c.Sites, Site{Name: fmt.Sprintf("site-%d", i+1), Trainer: "{synthetic: {bytes: 100kB, time: 300ms}}"})
	}
	return c
}

// TestRun: a mesh of three goes through crash, loss of a disk, a late start and bad links to its end.
func TestRun(t *testing.T) {
	t.Parallel()
	c := small(4, 5)
	c.Sites[3].Start = time.Second
	c.Plan = []sim.Fault{
		{Kind: sim.Crash, Round: 2, At: 100 * time.Millisecond, For: time.Second, Sites: []int{1}},
		{Kind: sim.StallDisk, At: 2 * time.Second, For: 500 * time.Millisecond, Sites: []int{0}},
		{Kind: sim.Delay, At: 2 * time.Second, For: time.Second, Value: 0.02},
		{Kind: sim.LoseDisk, Round: 4, For: 500 * time.Millisecond, Sites: []int{2}},
	}
	var seen int
	r, err := Run(t.Context(), c, func(time.Duration, []*api.Status) { seen++ })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %v, %d lines of trace", r.Bed, r.Took, len(r.Trace))
	if !r.Done || seen == 0 {
		t.Fatalf("done: %t after %v; %d looks", r.Done, r.Took, seen)
	}
	for i, s := range r.Last {
		h := s.Runs[0].History
		if len(h) != 5 || h[4].Model != r.Last[0].Runs[0].History[4].Model {
			t.Errorf("site %d ended with %v", i, h)
		}
	}
	did := func(site int, event trace.Kind) bool {
		return slices.ContainsFunc(r.Trace, func(l scenarios.Line) bool { return l.Site == site && l.Kind() == event })
	}
	for _, x := range []struct {
		site  int
		event trace.Kind
	}{{1, "down"}, {1, "up"}, {2, "disk lost"}, {2, "log lost"}, {3, "up"}, {-1, "fault"}, {-1, "mended"}, {0, "train"}, {1, "decide"}} {
		if !did(x.site, x.event) {
			t.Errorf("no %q of site %d in the trace", x.event, x.site)
		}
	}
	if !slices.IsSortedFunc(r.Trace, func(a, b scenarios.Line) int { return int(a.At - b.At) }) {
		t.Error("the trace is not in order")
	}
	if first, last := r.Trace[0].At, r.Trace[len(r.Trace)-1].At; first < 0 || last > c.Until {
		t.Errorf("the trace is from %v to %v", first, last)
	}
	if r.Links[0][1].Bytes < 5*100_000/4 {
		t.Errorf("from site 0 to 1: %+v", r.Links[0][1])
	}
}

// TestInterrupt: Ctrl-C ends a run at once.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	begun := time.Now()
	_, err := Run(ctx, small(3, 1000), func(time.Duration, []*api.Status) {
		cancel()
		begun = time.Now()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

// TestDies: a node that ends by itself is an error with its last words.
func TestDies(t *testing.T) {
	t.Parallel()
	c := small(3, 5)
	c.Sites[1].Trainer = "{builtin: {data: /nowhere}}"
	if _, err := Run(t.Context(), c, nil); err == nil {
		t.Error("no error")
	} else {
		t.Log(err)
	}
}
