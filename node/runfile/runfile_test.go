package runfile

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/yamlfile"
)

const whole = `name: letters # what for
rounds: 5
model:
  init: builtin
train:
  steps: 100
  lr: 0.0010
  text: yes
  big: 1_000
  modules: [q_proj, 2, {deep: [true, 1e-3, "1e-3", 0.10, ~]}]
min_sites: 2
sample_cap: 1000
attempts: 5
late:
  policy: carry
  weight: 2/3
  max: 3
keep_updates: true
evaluate: {every: 2}
best: {metric: val_loss, mode: min, by: median, min_delta: 1e-3}
stop_after: 3
cross_evaluate: last
`

func TestParse(t *testing.T) {
	r, err := Parse("dir/run.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	s := defaulted(r, 1)
	if !r.Init || r.File != "" || s.Name != "letters" || s.Rounds != 5 || s.MinSites != 2 || s.SampleCap != 1000 || s.Attempts != 5 || !s.KeepUpdates {
		t.Errorf("got %+v", r)
	}
	if s.Late != ledger.Carry || s.LateNum != 2 || s.LateDen != 3 || s.LateMax != 3 || s.Rule != "fedavg" {
		t.Errorf("got %+v", s)
	}
	terms, err := s.Selection.Read()
	if every := uint64(2); err != nil || *terms.Every != every || *terms.Best != (ledger.Best{Metric: "val_loss", Mode: ledger.Min, By: ledger.ByMedian, MinDelta: 1e-3}) || terms.StopAfter != 3 || terms.Cross != ledger.CrossLast {
		t.Errorf("got %+v, %v", terms, err)
	}
	if want := map[string]string{"steps": "100", "lr": "0.0010", "text": "yes", "big": "1_000", "modules": `["q_proj",2,{"deep":[true,1e-3,"1e-3",0.1,null]}]`}; !maps.Equal(s.Train, want) {
		t.Errorf("train: got %v, want %v", s.Train, want)
	}
}

// defaulted returns the description as a mesh that goes by a protocol completes it.
func defaulted(r Run, protocol uint64) ledger.RunSpec {
	r.Spec.Default(protocol)
	return r.Spec
}

// Local training has one length everywhere unless the file says otherwise, and a site weighs what its samples say or as much as any.
func TestPlainAverage(t *testing.T) {
	const ok = "name: a\nrounds: 1\nmodel: {init: trainer}\n"
	for text, want := range map[string]ledger.RunSpec{
		"": {Attempts: 1}, "attempts: 3\n": {Attempts: 3}, "weights: samples\nsample_cap: 9\n": {Attempts: 1, SampleCap: 9},
		"weights: equal\n": {Attempts: 1, SampleCap: 1, Late: ledger.Drop},
	} {
		r, err := Parse("run.yaml", []byte(ok+text))
		if err != nil || !r.Init || r.Spec.Attempts != want.Attempts || r.Spec.SampleCap != want.SampleCap || want.Late != "" && r.Spec.Late != want.Late {
			t.Errorf("%q: %+v, %v", text, r.Spec, err)
		}
	}
}

// The common models are F32 unless the file says otherwise.
func TestDType(t *testing.T) {
	for text, wide := range map[string]bool{"": true, "dtype: f32\n": true, "dtype: keep\n": false} {
		if r, err := Parse("run.yaml", []byte("name: a\nrounds: 1\nmodel: {init: trainer}\n"+text)); err != nil || r.Wide != wide {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

// Late updates are averaged by every rule; under protocols that do not know that, a rule that combines changes drops them. What
// says nothing beyond the mean leaves nothing in the description.
func TestParseStrategy(t *testing.T) {
	const ok = "name: a\nrounds: 1\nmodel: {init: builtin}\n"
	for text, want := range map[string]ledger.RunSpec{
		"":                                   {Rule: "fedavg", Late: ledger.Carry},
		"outer: none\n":                      {Rule: "fedavg", Late: ledger.Carry},
		"rule: clip\n":                       {Rule: "clip", Late: ledger.Drop},
		"rule: clip\nparams: {norm: 1.5}\n":  {Rule: "clip", Late: ledger.Drop, Strategy: ledger.NewStrategy(ledger.Method{Params: map[string]string{"norm": "1.5"}})},
		"params: {lr: 0.5}\n":                {Rule: "fedavg", Late: ledger.Drop, Strategy: ledger.NewStrategy(ledger.Method{Params: map[string]string{"lr": "0.5"}})},
		"rule: clip\nlate: {policy: drop}\n": {Rule: "clip", Late: ledger.Drop},
	} {
		r, err := Parse("run.yaml", []byte(ok+text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if s := defaulted(r, ledger.AverageProtocol); s.Late != ledger.Average && !strings.Contains(text, "drop") || s.LateRounds() != 2 && s.Late != ledger.Drop {
			t.Errorf("%q: %+v", text, s)
		}
		s := defaulted(r, ledger.AverageProtocol-1)
		if s.Rule != want.Rule || s.Late != want.Late || !bytes.Equal(s.Strategy.Passed, want.Strategy.Passed) {
			t.Errorf("%q: %+v", text, s)
		}
	}
}

// A round time is in the description where the file says it, and else leaves no field.
func TestParseRoundTime(t *testing.T) {
	for text, want := range map[string]uint64{"": 0, "round_time: 30m\n": 1_800_000, "round_time: 2h12m\n": 7_920_000} {
		r, err := Parse("run.yaml", []byte("name: a\nrounds: 1\nmodel: {init: trainer}\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		if paced, err := r.Spec.Pace.Read(); err != nil || paced.RoundTime != want || r.Spec.Pace.IsZero() != (want == 0) {
			t.Errorf("%q: %+v, %v", text, paced, err)
		}
	}
}

// How far one site may move a model is in the description where the file says it, and else leaves no field.
func TestParseBounds(t *testing.T) {
	const ok = "name: a\nrounds: 1\nmodel: {init: trainer}\n"
	for text, want := range map[string]ledger.Bounded{
		"": {}, "share: open\n": {Share: ledger.OpenShare}, "max_change: 1e3\n": {MaxChange: 1000}, "share: open\nmax_change: 0.5\n": {Share: ledger.OpenShare, MaxChange: 0.5},
	} {
		r, err := Parse("run.yaml", []byte(ok+text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Spec.Bounds.Read(); err != nil || got != want || r.Spec.Bounds.IsZero() != (want == ledger.Bounded{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// What stays at the sites stands with what the node puts beside the weights; nothing said leaves no field.
func TestParseLocal(t *testing.T) {
	const ok = "name: a\nrounds: 1\nmodel: {init: trainer}\n"
	for text, want := range map[string][]string{"": nil, "local: []\n": nil, "local: [\"classifier.*\", \"*.bn*\"]\n": {"classifier.*", "*.bn*"}} {
		r, err := Parse("run.yaml", []byte(ok+text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Spec.Constants.Read(); err != nil || !slices.Equal(got.Local, want) || r.Spec.Constants.IsZero() != (want == nil) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestParseDefaults(t *testing.T) {
	r, err := Parse("dir/run.yaml", []byte("name: a\nrounds: 1\nmodel: {file: m.safetensors}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := defaulted(r, 1)
	if r.Init || r.File != "dir/m.safetensors" || s.MinSites != 0 || s.Late != ledger.Carry || s.LateNum != 1 || s.LateDen != 2 || s.LateMax != 2 {
		t.Errorf("got %+v", r)
	}
}

func TestParseFrom(t *testing.T) {
	for text, want := range map[string]From{"letters@latest": {"letters", "latest"}, "me@home@3": {"me@home", "3"}} {
		r, err := Parse("run.yaml", []byte("name: a\nrounds: 1\nmodel: {from: "+text+"}\n"))
		if err != nil || r.From != want || r.Init || r.File != "" {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
}

func TestParseSaysWhere(t *testing.T) {
	const ok = "name: a\nrounds: 1\nmodel: {init: builtin}\n"
	for _, c := range []struct{ text, want string }{
		{ok + "roundz: 1\n", "run.yaml:4: unknown field \"roundz\""},
		{ok + "late:\n  policy: carry\n  weight: 3/2\n", "run.yaml:6: late.weight: \"3/2\""},
		{ok + "late:\n  policy: drop\n  max: 2\n", "run.yaml:4: late: weight and max"},
		{ok + "late: {policy: keep}\n", "run.yaml:4: late.policy: \"keep\""},
		{ok + "min_sites: two\n", "run.yaml:4: min_sites: want a whole number"},
		{ok + "min_sites: -1\n", "run.yaml:4: "},
		{ok + "attempts: many\n", "run.yaml:4: attempts: want a whole number"},
		{ok + "train:\n  steps: [.inf]\n", "run.yaml:5: train.steps: "},
		{ok + "dtype: bf16\n", "run.yaml:4: dtype: \"bf16\", want f32, or keep"},
		{ok + "share: all\n", "run.yaml:4: share: \"all\", want open"},
		{ok + "max_change: 0\n", "run.yaml:4: max_change: \"0\", want a number above 0"},
		{ok + "round_time: 30\n", "run.yaml:4: round_time: \"30\", want 1s to 720h"},
		{ok + "round_time: 1ms\n", "run.yaml:4: round_time: "},
		{ok + "round_time: 721h\n", "run.yaml:4: round_time: "},
		{ok + "round_time: auto\n", "run.yaml:4: round_time: \"auto\", want 1s to 720h"},
		{ok + "round_time: 30m\nlate: {policy: carry}\n", "run.yaml:4: round_time: not with late.policy carry"},
		{ok + "max_change: .nan\n", "run.yaml:4: max_change: "},
		{ok + "weights: none\n", "run.yaml:4: weights: \"none\", want samples or equal"},
		{ok + "weights: equal\nsample_cap: 9\n", "run.yaml:5: sample_cap: with weights: equal"},
		{ok + "weights: equal\nlate: {policy: carry}\n", "run.yaml:5: late: with weights: equal"},
		{ok + "local: [\"\"]\n", "run.yaml:4: local: want at most 64 patterns"},
		{ok + "local: head\n", "run.yaml:4: local"},
		{ok + "evaluate: often\n", "run.yaml:4: evaluate: \"often\", want true, false, or {every: 5}"},
		{ok + "evaluate: {every: 0}\n", "run.yaml:4: evaluate: "},
		{ok + "best: accuracy\n", "run.yaml:4: best: \"accuracy\", want METRIC:max"},
		{ok + "best: {metric: accuracy, mode: most}\n", "run.yaml:4: best: mode \"most\", want min or max"},
		{ok + "best: {metric: accuracy, mode: max, delta: 1}\n", "run.yaml:4: best: unknown field \"delta\""},
		{ok + "evaluate: false\nbest: accuracy:max\n", "run.yaml:5: best: best without evaluation"},
		{ok + "stop_after: 3\n", "run.yaml:4: stop_after: best is missing"},
		{ok + "cross_evaluate: first\n", "run.yaml:4: cross_evaluate: \"first\", want last"},
		{ok + "evaluate: false\ncross_evaluate: last\n", "run.yaml:5: cross_evaluate: with evaluate: false"},
		{ok + "name: b\n", "run.yaml:4: "},
		{ok + "train: &a\n  x: *a\n", "run.yaml:4: anchors"},
		{"rounds: 1\n", "run.yaml: name: missing"},
		{"name: a\nmodel: {init: builtin}\n", "run.yaml: rounds: missing"},
		{ok + "rule: median\n", "run.yaml:4: rule: unknown rule \"median\"; this weft knows clip, fedavg"},
		{ok + "outer: adam\n", "run.yaml:4: outer: unknown outer \"adam\"; this weft knows nesterov, none"},
		{ok + "outer: nesterov\nlate:\n  policy: carry\n", "run.yaml:5: late: only the mean of parameters carries"},
		{ok + "rule: clip\nparams:\n  norm: much\n", "run.yaml:6: params.norm: "},
		{ok + "rule: clip\nlate:\n  policy: carry\n", "run.yaml:5: late: only the mean of parameters carries"},
		{"name: a\nrounds: 1\n", "run.yaml: model: want exactly one"},
		{"name: a\nrounds: 1\nmodel: {init: gpt}\n", "run.yaml:3: model.init: \"gpt\""},
		{"name: a\nrounds: 1\nmodel: {from: letters}\n", "run.yaml:3: model.from: \"letters\", want RUN@ROUND"},
		{"name: a\nrounds: 1\nmodel: {from: letters@}\n", "run.yaml:3: model.from: "},
		{"name: a\nrounds: 1\nmodel: {from: \"@3\"}\n", "run.yaml:3: model.from: "},
		{"name: a\nrounds: 1\nmodel: {from: a@3, init: trainer}\n", "run.yaml:3: model: want exactly one"},
		{"name: [\n", "run.yaml:"},
		{"", "run.yaml: "},
		{strings.Repeat("#", MaxSize+1), "run.yaml: 65537 bytes"},
	} {
		_, err := Parse("run.yaml", []byte(c.text))
		if !errors.As(err, new(*yamlfile.Error)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text[:min(len(c.text), 80)], err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", c.text, err)
		}
	}
}

func TestWrong(t *testing.T) {
	r, err := Parse("run.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"min_sites":   "run.yaml:11: min_sites: 2 of 1",
		"late.weight": "run.yaml:16: late.weight: 2 of 1",
		"rule":        "run.yaml: rule: 2 of 1", // the file leaves it out
	} {
		if got := r.Wrong(field, "%d of %d", 2, 1).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("name: a\nrounds: 1\nmodel: {file: x}\nlate: {weight: 0.25}\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse("run.yaml", data)
		if err != nil {
			if !errors.As(err, new(*yamlfile.Error)) {
				t.Fatalf("%v", err)
			}
			return
		}
		if from := r.From != (From{}); r.Init && (from || r.File != "") || !r.Init && from == (r.File != "") || from && (r.From.Run == "" || r.From.Round == "") || r.Spec.Name == "" || r.Spec.Rounds == 0 {
			t.Fatalf("%q gives %+v", data, r)
		}
		if s := defaulted(r, ledger.Newest); s.Late != ledger.Drop && (s.LateNum == 0 || s.LateNum > s.LateDen || s.LateDen > 1000) {
			t.Fatalf("%q gives %+v", data, r)
		}
	})
}
