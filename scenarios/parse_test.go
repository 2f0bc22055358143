package scenarios

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/scenarios/sim"
)

const whole = `name: whole
about: All that a file can say.
faults: byzantine
seed: 7
until: 2h
sites:
  - name: clinic
    count: 3
    link: {latency: 20ms, jitter: 5ms, loss: 0.1%, up: 20 Mbit/s, down: 100 Mbit/s}
    region: europe
    speed: 2
  - name: far
    region: japan
    link: dsl
    starts: 1m
    disk: 10ms
trainer:
  builtin: {time: 60s, spread: 20%}
data: {partition: dirichlet, alpha: 0.1}
run:
  rounds: 4
  min_sites: 2
  train: {steps: 10}
  late: {policy: drop}
timeline:
  - {fault: crash, at: 30s, for: 1m, sites: [clinic-1]}
  - {fault: slow, round: 2, amount: 4, sites: [far], for: 2m}
  - {fault: loss, at: 1m, amount: 20%, for: 10s, every: 1h, times: 3}
expect:
  rounds: 4
  finished: true
  same_model: true
  loss_below: 2.5
  federated_better_than_alone: true
  bytes_per_site_below: 1.5 GB
  time_below: 1h
  stalled: [{from: 60s, to: 2m}]
`

func TestParse(t *testing.T) {
	s, err := Parse("whole.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.All()); n != 4 || s.All()[0].Name != "clinic-1" || s.All()[3].Name != "far" {
		t.Errorf("sites: %v", s.All())
	}
	if g := s.Sites[0]; g.Link.Latency != Duration(20*time.Millisecond) || g.Link.Loss != 0.001 || g.Link.Up.Bytes() != 2.5e6 {
		t.Errorf("link: %+v", g.Link)
	}
	if p := s.Path(&s.Sites[0], &s.Sites[1]); p.Latency != 156*time.Millisecond {
		t.Errorf("path: %+v", p)
	}
	if s.Plan()[2].Value != 0.2 || s.Expect.BytesBelow != 1.5e9 || s.Run.Train["steps"] != "10" {
		t.Errorf("got %+v", s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Scenario
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s, &back) {
		t.Errorf("as JSON it comes back as\n%+v, was\n%+v", back, *s)
	}
}

const small = "name: a\nsites: [{name: s, count: 3}]\ntrainer: {synthetic: {bytes: 1 MB, time: 10s}}\nrun: {rounds: 2}\n"

const scripted = "name: a\nsites: [{name: s, count: 3}]\ntrainer: {exec: [python3, train.py, '{data}']}\ndata: {file: rows.csv, partition: dirichlet:0.5}\nrun: {rounds: 2}\n"

// TestParseScript: a script is a trainer, and its file of rows is dealt out as a plan says.
func TestParseScript(t *testing.T) {
	s, err := Parse("a.yaml", []byte(scripted))
	if err != nil || !slices.Equal(s.Trainer.Exec, []string{"python3", "train.py", "{data}"}) || s.Data != (Data{File: "rows.csv", Partition: "dirichlet:0.5"}) {
		t.Fatalf("%+v, %v", s, err)
	}
	s, err = Parse("a.yaml", []byte(strings.Replace(scripted, ", partition: dirichlet:0.5", "", 1)))
	if err != nil || s.Data.Partition != "iid" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestParseSaysWhere(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{small + "title: b\n", `a.yaml:5: unknown field "title"`},
		{small + "name: b\n", "a.yaml:5: "},
		{small + "until: soon\n", `a.yaml:5: until: "soon" is not a time span`},
		{small + "seed: -3\n", "a.yaml:5: seed: want a whole number from 0, not -3"},
		{small + "seed: 1.5\n", "a.yaml:5: seed: want a whole number from 0, not 1.5"},
		{small + "timeline:\n  - fault: crash\n    round: -1\n", "a.yaml:7: timeline[0].round: want a whole number from 0, not -1"},
		{small + "expect: {rounds: few}\n", "a.yaml:5: expect.rounds: want a whole number from 0, not few"},
		{small + "faults: lies\n", `a.yaml:5: faults: "lies", want byzantine or crash`},
		{small + "timeline:\n  - at: 1s\n    fault: fire\n", `a.yaml:7: timeline[0].fault: no fault "fire"`},
		{"name: a\nsites:\n  - name: s\n    speed: 0\n", "a.yaml:4: sites[0].speed: 0, want 0.001 to 1000"},
		{small + "timeline:\n  - fault: crash\n    at: 25h\n", "a.yaml:7: timeline[0].at: 25h0m0s, but the scenario ends at 24h0m0s"},
		{small + "timeline:\n  - fault: crash\n    round: 99999\n", "a.yaml:7: timeline[0].round: 99999, but the run has"},
		{small + "expect:\n  stalled:\n    - {from: 30h, to: 31h}\n", "expect.stalled[0]: begins at 30h0m0s, but the scenario ends at 24h0m0s"},
		{small + "timeline:\n  - {fault: loss, at: 1s}\n", "a.yaml:6: timeline[0].amount: loss needs an amount: a part"},
		{small + "timeline:\n  - {fault: crash, at: 1s, sites: [x]}\n", `a.yaml:6: timeline[0].sites[0]: no site or group "x"`},
		{small + "timeline:\n  - {fault: delay, amount: 1s, sites: [s-1]}\n", "a.yaml:6: timeline[0].sites: delay befalls all messages"},
		{small + "timeline:\n  - {fault: crash, at: 1s, every: 2s}\n", "a.yaml:6: timeline[0]: every and times"},
		{small + "timeline:\n  - fault: crash\n    sites: s-1\n", "a.yaml:7: timeline[0].sites: want a list of sites, such as [bank-3]"},
		{small + "expect:\n  liars: 1\n", "a.yaml:6: expect.liars: want a list of sites, such as [bank-3]"},
		{small + "expect: {liars: [[s-1]]}\n", "a.yaml:5: expect.liars[0]: want text"},
		{small + "expect: {liars: [x]}\n", `a.yaml:5: expect.liars[0]: no site or group "x"`},
		{small + "expect: {loss_below: 2}\n", "a.yaml:5: expect.loss_below: only the builtin"},
		{small + "expect: {loss_below: -1}\n", "a.yaml:5: expect.loss_below: -1, want a loss in nats per byte"},
		{small + "expect: {loss_above: .nan}\n", "a.yaml:5: expect.loss_above: NaN, want a loss in nats per byte"},
		{small + "expect: {loss_above: .inf}\n", "a.yaml:5: expect.loss_above: +Inf, want a loss in nats per byte"},
		{small + "expect: {rounds: 3}\n", "a.yaml:5: expect.rounds: 3, but the run has 2"},
		{small + "data: {partition: shards}\n", "a.yaml:5: data: a synthetic"},
		{strings.Replace(small, "count: 3", "count: 300", 1), "a.yaml:2: sites[0].count: 300"},
		{"name: a\nsites:\n  - name: s\n    count: 0\ntimeline: [{fault: crash, sites: [s-2]}]\n", "a.yaml:4: sites[0].count: want a whole number from 1, not 0"},
		{strings.Replace(small, "count: 3", "count: 2.5", 1), "a.yaml:2: sites[0].count: want a whole number from 1, not 2.5"},
		{small + "timeline: [{fault: crash, at: 1s, every: 2s, times: 0}]\n", "a.yaml:5: timeline[0].times: want a whole number from 1, not 0"},
		{strings.Replace(small, "count: 3", "link: fibre", 1), `a.yaml:2: sites[0].link: no link "fibre"; there are dsl, lan, wan`},
		{strings.Replace(small, "count: 3", "link: {lag: 1s}", 1), "a.yaml:2: unknown field"},
		{strings.Replace(small, "count: 3", "region: moon", 1), `a.yaml:2: sites[0].region: no region "moon"`},
		{strings.Replace(small, "count: 3", "adversary: rude", 1), `a.yaml:2: sites[0].adversary: no adversary "rude"`},
		{strings.Replace(small, "1 MB", "big", 1), `a.yaml:3: trainer.synthetic.bytes: "big" is not a size`},
		{strings.Replace(small, "rounds: 2", "min_sites: 1", 1), "a.yaml:4: run.rounds: missing"},
		{strings.Replace(scripted, "exec: [python3, train.py, '{data}']", "exec: []", 1), "a.yaml:3: trainer.exec: want a command"},
		{strings.Replace(scripted, "exec: [python3, train.py, '{data}']", "exec: python3 train.py", 1), "a.yaml:3: trainer.exec: want a list, not a value"},
		{strings.Replace(scripted, "trainer: {", "trainer: {builtin: {time: 1s}, ", 1), "a.yaml:3: trainer: want one of"},
		{strings.Replace(scripted, "'{data}'", "x", 1), "a.yaml:3: trainer.exec: it does not say where the script gets"},
		{strings.Replace(scripted, "file: rows.csv, ", "", 1), "a.yaml:4: data.file: want the file of rows"},
		{strings.Replace(scripted, "data: {file: rows.csv, partition: dirichlet:0.5}\n", "", 1), "data.file: {data} in the command"},
		{strings.Replace(scripted, "dirichlet:0.5", "dirichlet, alpha: 0.5", 1), "a.yaml:4: data: of a script's file partition says all"},
		{strings.Replace(scripted, "dirichlet:0.5", "dirichlet", 1), "a.yaml:4: data.partition: no such partition: \"dirichlet\""},
		{strings.Replace(scripted, "count: 3", "count: 3, speed: 2", 1), "a.yaml:2: sites[0].speed: a script trains as fast"},
		{strings.Replace(small, "synthetic: {bytes: 1 MB, time: 10s}", "builtin: {time: 1s}", 1) + "data: {file: rows.csv}\n", "a.yaml:5: data: file and label go with a script"},
		{"sites: []\n", "a.yaml: name: want"},
		{"", "a.yaml: "},
	} {
		_, err := Parse("a.yaml", []byte(c.text))
		if !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestFaultRules: the timeline knows every fault that the simulator does, and no other.
func TestFaultRules(t *testing.T) {
	for _, kind := range sim.FaultKinds {
		if _, known := faultRules[kind]; !known {
			t.Errorf("the timeline has no %s", kind)
		}
	}
	if len(faultRules) != len(sim.FaultKinds) {
		t.Errorf("%d rules for %d faults", len(faultRules), len(sim.FaultKinds))
	}
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		fault, amount string
		value         float64
		want          string // of the error
	}{
		{"loss", "20%", 0.2, ""},
		{"loss", "1", 1, ""},
		{"duplicate", "0.5", 0.5, ""},
		{"delay", "300ms", 0.3, ""},
		{"slow disk", "2s", 2, ""},
		{"jump", "1h", 3600, ""},
		{"slow", "1", 1, ""},
		{"slow", "2.5", 2.5, ""},
		{"loss", "300%", 0, `"300%", want a part of the messages`},
		{"loss", "0%", 0, `"0%", want a part`},
		{"loss", "-20%", 0, `"-20%", want a part`},
		{"loss", "500ms", 0, `"500ms", want a part`},
		{"loss", "many", 0, `"many", want a part`},
		{"loss", ".nan", 0, "want a number or a word, not .nan"},
		{"loss", "[1]", 0, "want a number or a word, not a list"},
		{"loss", "", 0, "loss needs an amount: a part"},
		{"duplicate", "2", 0, `"2", want a part`},
		{"delay", "20%", 0, `"20%", want a time`},
		{"delay", "3", 0, `"3", want a time of more than 0, such as 300ms`},
		{"delay", "0s", 0, `"0s", want a time`},
		{"slow disk", "-1s", 0, `"-1s", want a time`},
		{"jump", "NaN", 0, `"NaN", want a time`},
		{"jump", "9999d", 0, `"9999d", want a time`},
		{"slow", "10%", 0, `"10%", want a factor from 1 to 1000, such as 4 for four times as long`},
		{"slow", "0.1", 0, `"0.1", want a factor`},
		{"slow", "0", 0, `"0", want a factor`},
		{"slow", "4s", 0, `"4s", want a factor`},
		{"slow", "1000000000", 0, `"1000000000", want a factor`},
		{"slow", "Inf", 0, `"Inf", want a factor`},
		{"crash", "20%", 0, "crash has no amount"},
		{"stall", "0", 0, "stall has no amount"},
	} {
		s, err := Parse("a.yaml", []byte(small+"timeline:\n  - fault: "+c.fault+"\n    amount: "+c.amount+"\n"))
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), "a.yaml:7: timeline[0].amount: "+c.want)):
			t.Errorf("%s, %s:\n got %v\nwant %s", c.fault, c.amount, err, c.want)
		case c.want == "" && (err != nil || s.Plan()[0].Value != c.value):
			t.Errorf("%s, %s: %v, want %v", c.fault, c.amount, err, c.value)
		}
	}
}

func TestResize(t *testing.T) {
	s, err := Parse("whole.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resize(7); err != nil || len(s.All()) != 7 {
		t.Errorf("%d sites, %v", len(s.All()), err)
	}
}

func TestResizeSaysWhyNot(t *testing.T) {
	with := func(old, to string) string { return strings.Replace(small, old, to, 1) }
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{small, 0, "the number of its sites cannot be 0, only 1 to 256: no group or single site can be left out"},
		{small, -1, "the number of its sites cannot be -1, only 1 to 256: no group or single site can be left out"},
		{small, 257, "the number of its sites cannot be 257, only 1 to 256: 256 are the most"},
		{with("count: 3}", "count: 3}, {name: b}"), 1, "the number of its sites cannot be 1, only 2 to 256: no group or single site can be left out"},
		{with(", count: 3", ""), 2, "the number of its sites cannot be 2, only 1: none of its groups has a count"},
		{with("count: 3}", "count: 3}, {name: s-5}"), 6, "the number of its sites cannot be 6, only 2 to 5: sites: two are named s-5"},
		{with("rounds: 2", "rounds: 2, min_sites: 3"), 2, "the number of its sites cannot be 2, only 3 to 256: run.min_sites: 3, more than the 2 sites"},
		{small + "timeline: [{fault: crash, sites: [s-2]}]\n", 1, `the number of its sites cannot be 1, only 2 to 256: timeline[0].sites[0]: no site or group "s-2"`},
		{small + "expect: {liars: [s-3]}\n", 2, `the number of its sites cannot be 2, only 3 to 256: expect.liars[0]: no site or group "s-3"`},
	} {
		s, err := Parse("a.yaml", []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		had := len(s.All())
		if err := s.Resize(c.n); err == nil || err.Error() != c.want {
			t.Errorf("%s to %d:\n got %v\nwant %s", c.text, c.n, err, c.want)
		}
		if len(s.All()) != had {
			t.Errorf("%s: %d sites, had %d", c.text, len(s.All()), had)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(small))
	f.Add([]byte("name: a\nsites: [{name: a, link: {up: 1e9 bit/s}}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("a.yaml", data)
		if err != nil {
			if !errors.Is(err, ErrScenario) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("%q is read, but %v", data, err)
		}
		if n := len(s.All()); n == 0 || n > MaxSites {
			t.Fatalf("%q has %d sites", data, n)
		}
	})
}
