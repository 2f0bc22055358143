package real

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/scenarios"
)

const clinics = `name: clinics
until: 2m
faults: crash
sites:
  - {name: clinic, count: 2, link: {latency: 10ms, up: 100 Mbit/s, down: 100 Mbit/s}}
  - {name: far, region: europe, link: wan}
trainer:
  synthetic: {bytes: 200 kB, time: 400ms, spread: 20%}
run: {rounds: 3}
timeline:
  - {fault: crash, round: 2, for: 1s, sites: [far]}
`

func parse(t *testing.T, text string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Parse("clinics.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlay(t *testing.T) {
	t.Parallel()
	r, err := Play(t.Context(), parse(t, clinics), nil, os.Args[0], "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Sites) != 3 || len(r.Links) != 3 || r.Driver != scenarios.Real || r.Took < scenarios.Opens || r.Took > r.Wall {
		t.Fatalf("%d sites, %v of %v", len(r.Sites), r.Took, r.Wall)
	}
	for _, s := range r.Sites {
		if !s.Up || s.Rounds != 3 || len(s.Models) != 3 || !slices.Equal(s.Models, r.Sites[0].Models) {
			t.Errorf("%s: up %t, %d rounds, %v", s.Name, s.Up, s.Rounds, s.Models)
		}
		// Each of three updates goes to each of two others.
		if s.Sent.Bytes() < 200_000 || s.Sent.BlockBytes == 0 || s.Sent.MessageBytes == 0 {
			t.Errorf("%s sent %+v", s.Name, s.Sent)
		}
	}
	if len(r.Faults) != 1 || !slices.Equal(r.Faults[0].Sites, []int{2}) || r.Faults[0].To-r.Faults[0].From != time.Second {
		t.Errorf("faults: %+v", r.Faults)
	}
}

// TestRefused: what can only be simulated is refused with its line, before anything starts.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ old, new, line, why string }{
		{"{name: far, ", "{name: far, adversary: silent, ", "6", "keeps to the protocol"},
		{"fault: crash", "fault: jump, amount: 5s", "11", "clock"},
		{"fault: crash", "fault: slow, amount: 3", "11", "speed"},
		{"synthetic: {bytes: 200 kB, time: 400ms, spread: 20%}", "builtin: {time: 5s}\ndata: {partition: shards, shards: 2}", "9", "by-source"},
	} {
		text := strings.Replace(clinics, c.old, c.new, 1)
		_, err := Play(t.Context(), parse(t, text), nil, "/nowhere", "", nil)
		var no *Impossible
		if !errors.As(err, &no) || !errors.Is(err, ErrImpossible) {
			t.Errorf("%s: got %v", c.new, err)
			continue
		}
		if got := no.Locate("clinics.yaml", []byte(text)); !strings.Contains(got.Error(), "clinics.yaml:"+c.line) || !strings.Contains(got.Error(), c.why) || !errors.Is(got, ErrImpossible) {
			t.Errorf("%s: got %q, want line %s", c.new, got, c.line)
		}
	}
}

// TestTooMany: a machine is not asked for more nodes than it has room for.
func TestTooMany(t *testing.T) {
	s := parse(t, clinics)
	if err := s.Resize(MaxSites() + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Play(t.Context(), s, nil, "/nowhere", "", nil); err == nil || !strings.Contains(err.Error(), "--sites") {
		t.Errorf("got %v", err)
	}
}

const readers = `
name: readers
sites:
  - {name: site, count: 3}
trainer: {builtin: {time: 1s}}
run: {rounds: 2, min_sites: 3, train: {steps: 6}}
expect: {finished: true, same_model: true, loss_below: 1.9}
`

// TestPlayLearns: what real nodes have learnt is measured, and compared with what was learnt without them.
func TestPlayLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("trains models")
	}
	t.Parallel()
	alone := &scenarios.Recording{Curves: []scenarios.Curve{{Name: scenarios.Alone, Site: "site-1"}, {Name: scenarios.Federated}}}
	r, err := Play(t.Context(), parse(t, readers), alone, os.Args[0], "", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Curve(scenarios.Federated, "")
	if !r.Held() || c == nil || len(c.Points) != 3 || !(c.Points[2].All < c.Points[0].All) {
		t.Errorf("held %v, the models' losses %+v, %+v", r.Held(), c, r.Verdicts)
	}
	if len(r.Curves) != 5 || r.Curve(scenarios.Alone, "site-1") == nil {
		t.Errorf("%d curves", len(r.Curves))
	}
}
