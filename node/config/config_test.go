package config

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/yamlfile"
)

func TestDefaultConfigYAMLIsTheDefault(t *testing.T) {
	for _, name := range []string{"hospital-north", `quote " and # and : in it`} {
		c, err := Parse("config.yaml", []byte(DefaultYAML(name)))
		if err != nil {
			t.Fatal(err)
		}
		trainer, _ := train.NewSettings(builtin.Kind)
		trainer.(*builtin.Settings).Builtin.Data = builtin.DefaultData
		want := Default(name)
		want.Trainer = Trainer{trainer, []string{builtin.Kind}}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("the template reads\n%+v, want\n%+v", c, want)
		}
	}
}

func TestConfigAllFields(t *testing.T) {
	c, err := Parse("config.yaml", []byte(`
name: north
listen: [/ip4/127.0.0.1/tcp/0]
announce: [/dns4/north.example/tcp/4801]
bootstrap: [/ip4/10.0.0.7/tcp/4801/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5]
trainer:
  exec: [python3, train.py, --fast]
  dir: scripts
  env: [CUDA_VISIBLE_DEVICES=0]
accept:
  - run: alpaca-*
  - run: b
    from: south
evaluate: true
cross_evaluate: {measure: true, measured: true}
keep_models: 7
keep_updates: true
log: {level: debug, format: json}
train: {batch: 4, lr: 0.10, name: "x", flag: yes}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Name: "north", Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Announce: []string{"/dns4/north.example/tcp/4801"},
		Bootstrap: []string{"/ip4/10.0.0.7/tcp/4801/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"},
		Trainer:   Trainer{&train.ExecSettings{Exec: []string{"python3", "train.py", "--fast"}, Dir: "scripts", Env: []string{"CUDA_VISIBLE_DEVICES=0"}}, []string{"exec"}},
		Accept:    Accept{Policy: AcceptList, Rules: []AcceptRule{{Run: "alpaca-*"}, {Run: "b", From: "south"}}},
		Evaluate:  true, Cross: Cross{Measure: true, Measured: true}, KeepModels: 7, KeepUpdates: true, Log: Log{Level: Level(slog.LevelDebug), Format: "json"},
		Train: map[string]yamlfile.Value{"batch": "4", "lr": "0.10", "name": "x", "flag": "yes"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v, want\n%+v", c, want)
	}
	over := c.Overlay(map[string]string{"lr": "1", "mode": "lora"})
	if !reflect.DeepEqual(over, map[string]string{"batch": "4", "lr": "0.10", "name": "x", "flag": "yes", "mode": "lora"}) {
		t.Errorf("overlay %v", over)
	}
}

func TestConfigErrors(t *testing.T) {
	const ok = "name: north\ntrainer: {synthetic: {}}\n"
	for _, c := range []struct{ text, want string }{
		{"", `config.yaml: name: "", want 1 to 64 bytes`},
		{"name: north\n", "config.yaml: trainer: none chosen"},
		{ok + "lisen: [a]\n", `config.yaml:3: unknown field "lisen"`},
		{ok + "listen: [\n", "config.yaml:3: "},
		{ok + "name: again\n", `config.yaml:3: `},
		{ok + "listen:\n  - /ip4/127.0.0.1/tcp/0\n  - somewhere\n", `config.yaml:5: listen[1]: "somewhere" is not a multiaddr`},
		{ok + "listen: []\n", "config.yaml:3: listen: the site listens nowhere"},
		{ok + "bootstrap: [/ip4/10.0.0.7/tcp/4801]\n", "config.yaml:3: bootstrap[0]: "},
		{ok + "cross_evaluate: {measure: true}\n", "config.yaml:3: cross_evaluate.measure: the trainer of this site measures nothing"},
		{ok + "keep_models: 0\n", "config.yaml:3: keep_models: 0: at least the newest"},
		{ok + "keep_models: many\n", "config.yaml:3: "},
		{ok + "keep_models: many\n", "config.yaml:3: keep_models: want a whole number"},
		{ok + "log: {format: xml}\n", `config.yaml:3: log.format: "xml", want text or json`},
		{ok + "log: {level: loud}\n", "config.yaml:3: "},
		{ok + "accept: maybe\n", `config.yaml:3: accept: "maybe", want auto, ask, or a list`},
		{ok + "accept:\n  - run: a\n  - {}\n", "config.yaml:5: accept[1]: a rule has run: or from:"},
		{ok + "accept:\n  - name: a\n", `config.yaml:4: unknown field "name"`},
		{ok + "train: {a: [.inf]}\n", "config.yaml:3: train.a: "},
		{"name: north\ntrainer:\n  synthetic: {bytes: 5 lightyears}\n", `config.yaml:3: trainer.synthetic.bytes: "5 lightyears" is not a size`},
		{"name: north\ntrainer:\n  synthetic:\n    time: -1s\n", `config.yaml:4: trainer.synthetic.time: "-1s"`},
		{"name: north\ntrainer:\n  exec: []\n", "config.yaml:3: trainer.exec: the command is empty"},
		{"name: north\ntrainer:\n  exec: [a]\n  env: [b]\n", `config.yaml:4: trainer.env[0]: "b" is not NAME=value`},
		{"name: north\ntrainer:\n  exec: [a]\n  synthetic: {}\n", "config.yaml:2: trainer: more than one chosen"},
		{"name: north\ntrainer:\n  builtin: {workers: 1}\n", "config.yaml:3: trainer.builtin.data: missing"},
		{"name: north\ntrainer:\n  builtin: {data: builtin:news}\n", "config.yaml:3: trainer.builtin.data: no such sample"},
		{"name: north\ntrainer:\n  synthetic: {}\n  dir: x\n", `config.yaml:4: unknown field "dir"`},
		{"name: north\ntrainer:\n  excec: [a]\n", `config.yaml:3: "excec" is no trainer; there are attach, builtin, exec, synthetic`},
		{"name: north\ntrainer: 3\n", "config.yaml:2: trainer: none chosen"},
		{"name: north\ntrainer:\n  builtin: {data: a.txt}\ntrain:\n  mode: full\n", "config.yaml:5: train.mode: a site may not choose this"},
		{strings.Repeat("#", maxConfig+1), "config.yaml: 1048577 bytes, at most"},
	} {
		_, err := Parse("config.yaml", []byte(c.text))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text[:min(len(c.text), 80)], err, c.want)
		}
	}
}

func TestAccept(t *testing.T) {
	rules := Accept{Policy: AcceptList, Rules: []AcceptRule{{Run: "alpaca-*"}, {From: "south"}, {Run: "x", From: "west"}}}
	for _, c := range []struct {
		policy        Accept
		run, opener   string
		own           bool
		accept, known bool
	}{
		{Accept{Policy: AcceptAuto}, "any", "south", false, true, true},
		{Accept{Policy: AcceptAsk}, "any", "south", false, false, false},
		{Accept{Policy: AcceptAsk}, "any", "self", true, true, true},
		{rules, "alpaca-7b", "east", false, true, true},
		{rules, "other", "south", false, true, true},
		{rules, "x", "east", false, false, false},
		{rules, "x", "west", false, true, true},
	} {
		accept, known := c.policy.Decide(&ledger.RunSpec{Name: c.run}, c.opener, c.own)
		if accept != c.accept || known != c.known {
			t.Errorf("%+v: %v %v", c, accept, known)
		}
	}
}

// A configuration that a program makes may lack the trainer.
func TestNoTrainer(t *testing.T) {
	if _, err := Default("a").Trainer.New(train.Env{}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}
