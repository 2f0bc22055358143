package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/scenarios"
)

func parse(t testing.TB, text string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func play1(t testing.TB, s *scenarios.Scenario) *scenarios.Recording {
	t.Helper()
	r, err := Play(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdicts lists what did not hold.
func verdicts(r *scenarios.Recording) string {
	var b strings.Builder
	if r.Broken != "" {
		b.WriteString(r.Broken + "\n")
	}
	for _, v := range r.Verdicts {
		if !v.Held {
			b.WriteString(v.Expected + ": " + v.Got + "\n")
		}
	}
	return b.String()
}

// full reports whether tests may take minutes.
func full() bool { return os.Getenv("WEFT_SCENARIOS") == "full" }

func TestTemplate(t *testing.T) {
	if r := play1(t, parse(t, scenarios.Template())); !r.Held() {
		t.Error(verdicts(r))
	}
}

func TestSimulateSynthetic(t *testing.T) {
	s := parse(t, `name: a
sites: [{name: bank, count: 4, link: wan, region: europe}, {name: far, region: japan, link: dsl}]
trainer: {synthetic: {bytes: 1 MB, time: 10s, spread: 20%}}
run: {rounds: 4}
timeline: [{fault: crash, at: 12s, for: 20s, sites: [bank-2]}]
expect: {finished: true, same_model: true, time_below: 10m, bytes_per_site_below: 1 GB, progress: [{from: 0s, to: 1m}]}
`)
	r := play1(t, s)
	if !r.Held() || len(r.Verdicts) != 5 {
		t.Errorf("held: %v %+v", r.Held(), r.Verdicts)
	}
	if len(r.Faults) != 1 || r.Faults[0].Sites[0] != 1 || len(r.RoundEnds()) != 4 {
		t.Errorf("faults %+v, rounds %v", r.Faults, r.RoundEnds())
	}
	a, err := json.Marshal(r.Trace)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(play1(t, s).Trace)
	if string(a) != string(b) {
		t.Error("the same scenario gives another trace")
	}
}

func TestSimulateNoticesWhatFails(t *testing.T) {
	r := play1(t, parse(t, `name: a
until: 2m
sites: [{name: s, count: 4}]
trainer: {synthetic: {bytes: 1 MB, time: 10s}}
run: {rounds: 4}
timeline: [{fault: crash, at: 10s, sites: [s-1, s-2]}]
expect: {finished: true, same_model: true, time_below: 1m, bytes_per_site_below: 1 kB, progress: [{from: 0s, to: 1m}], stalled: [{from: 0s, to: 1m}], liars: [s-1]}
`))
	if r.Held() {
		t.Error("all held")
	}
	for _, v := range r.Verdicts {
		if v.Held {
			t.Errorf("%s: held, %s", v.Expected, v.Got)
		}
	}
}

// A run that has not come to its end has not been quick.
func TestUnfinishedIsNotInTime(t *testing.T) {
	r := play1(t, parse(t, `name: a
until: 30s
sites: [{name: s, count: 4}]
trainer: {synthetic: {bytes: 1 MB, time: 10s}}
run: {rounds: 40}
expect: {time_below: 1m}
`))
	if v := r.Verdicts[0]; v.Held || !strings.Contains(v.Got, "not finished after 30s: 2 of 40 rounds") {
		t.Errorf("%+v", v)
	}
}

func TestSimulateStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Play(ctx, parse(t, learns), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

const learns = `name: a
sites: [{name: s, count: 3}]
trainer: {builtin: {time: 60s, spread: 10%}}
run: {rounds: 1, train: {steps: 2, batch: 1, warmup: 0}}
expect: {finished: true, same_model: true}
`

func TestSimulateLearning(t *testing.T) {
	s := parse(t, learns)
	r := play1(t, s)
	if !r.Held() {
		t.Error(verdicts(r))
	}
	for _, name := range []scenarios.CurveName{scenarios.Federated, scenarios.Pooled} {
		c := r.Curve(name, "")
		if c == nil || len(c.Points) != 2 || !(c.Points[1].All > 0.5 && c.Points[1].All < c.Points[0].All+0.1 && c.Points[1].Accuracy > 0.2 && c.Points[1].Accuracy < 0.9) {
			t.Fatalf("%s: %+v", name, c)
		}
	}
	if c := r.Curve(scenarios.Alone, "s-2"); c == nil || len(c.Points) != 2 || c.Points[0].Own == c.Points[0].All {
		t.Errorf("alone: %+v", c)
	}
	if !full() {
		return
	}
	again := play1(t, s)
	if r.Sites[0].Models[0] != again.Sites[0].Models[0] {
		t.Error("the same scenario gives another model")
	}
}

func TestPoisonShows(t *testing.T) {
	if !full() {
		t.Skip("it trains for long: make scenarios")
	}
	bad := play1(t, parse(t, strings.Replace(learns, "[{name: s, count: 3}]", "[{name: s, count: 3}, {name: x, adversary: times-100}]", 1)))
	if loss := bad.Curve(scenarios.Federated, "").Points; !(loss[1].All > loss[0].All+0.05) {
		t.Errorf("a poisoned update does not show: %v", loss)
	}
	nan := play1(t, parse(t, strings.Replace(learns, "[{name: s, count: 3}]", "[{name: s, count: 3}, {name: x, adversary: nan}]", 1)))
	if !nan.Held() {
		t.Error(verdicts(nan))
	}
	if loss := nan.Curve(scenarios.Federated, "").Points; !(loss[1].All < loss[0].All+0.1) {
		t.Errorf("an update of NaN got into the model: %v", loss)
	}
}
