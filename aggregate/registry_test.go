package aggregate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
)

// What a run description says that this program does not know is refused by the field's name, and with what it does know.
func TestNewStrategy(t *testing.T) {
	for _, c := range []struct {
		rule, outer string
		params      map[string]string
		want        string // the error; it begins with the field
	}{
		{"", "", nil, ""},
		{"fedavg", "none", nil, ""},
		{"clip", "nesterov", map[string]string{"norm": "2.5e1", "lr": ".7", "b": "0"}, ""},
		{"clip", "", map[string]string{"norm": "median"}, ""},
		{"krum", "", nil, `rule: unknown rule "krum"; this weft knows clip, fedavg, `},
		{"", "adam", nil, `outer: unknown outer "adam"; this weft knows nesterov, none`},
		{"fedavg", "", map[string]string{"norm": "1"}, "params.norm: rule fedavg with outer none takes lr"},
		{"clip", "nesterov", map[string]string{"tau": "1"}, "params.tau: rule clip with outer nesterov takes b, lr, norm"},
		{"clip", "", map[string]string{"norm": "mean"}, `params.norm: "mean" is no decimal number, or "median"`},
		{"clip", "", map[string]string{"norm": "0"}, `params.norm: 0 is not in (0, 1e300], or "median"`},
		{"", "nesterov", map[string]string{"b": "1"}, "params.b: 1 is not in [0, 1)"},
		{"", "nesterov", map[string]string{"b": "-0.1"}, "params.b: -0.1 is not in [0, 1)"},
		{"", "nesterov", map[string]string{"lr": "median"}, `params.lr: "median" is no decimal number`},
		{"", "nesterov", map[string]string{"lr": ""}, `params.lr: "" is no decimal number`},
		{"", "nesterov", map[string]string{"lr": "0x1p-2"}, `params.lr: "0x1p-2" is no decimal number`},
		{"", "nesterov", map[string]string{"lr": "1_0"}, `params.lr: "1_0" is no decimal number`},
		{"", "nesterov", map[string]string{"lr": "NaN"}, `params.lr: "NaN" is no decimal number`},
		{"", "nesterov", map[string]string{"lr": "Inf"}, `params.lr: "Inf" is no decimal number`},
		{"", "nesterov", map[string]string{"lr": "1e999"}, "params.lr: 1e999 is not in (0, 1000]"},
		{"", "nesterov", map[string]string{"lr": "0." + strings.Repeat("1", 40)}, `params.lr: "0.` + strings.Repeat("1", 38) + `" is no decimal number`},
	} {
		_, err := aggregate.NewStrategy(c.rule, c.outer, c.params)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s, %s, %v: %v", c.rule, c.outer, c.params, err)
			}
			continue
		}
		var e *aggregate.SpecError
		if !errors.As(err, &e) || !errors.Is(err, aggregate.ErrSpec) || !strings.HasPrefix(err.Error(), c.want) || !strings.HasPrefix(c.want, e.Field+": ") {
			t.Errorf("%s, %s, %v: %v, want %s", c.rule, c.outer, c.params, err, c.want)
		}
	}
}

// Only the mean of parameters can carry late updates over, and it alone has no state.
func TestCarriesLate(t *testing.T) {
	for text, want := range map[string]bool{
		"fedavg+none": true, "fedavg+none+lr=1.0": true, "fedavg+none+lr=0.5": false, "clip+none": false, "fedavg+nesterov": false, "clip+nesterov": false,
	} {
		if got := strategy(t, text).CarriesLate(); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	if !(aggregate.Strategy{}).CarriesLate() || len(aggregate.Strategy{}.Slots()) > 0 {
		t.Error("the zero strategy is not the mean")
	}
	if slots := strategy(t, "clip+nesterov").Slots(); !slices.Equal(slots, []string{"v"}) {
		t.Errorf("slots %q", slots)
	}
}

// A registration that could not work is found when the program starts.
func TestRegisterRefuses(t *testing.T) {
	rule := func(name, doc string, p ...aggregate.Param) func() {
		return func() {
			aggregate.RegisterRule(name, doc, p, func(aggregate.Values) (aggregate.Rule, error) { return median{}, nil })
		}
	}
	good := aggregate.Param{Name: "x", Doc: "x", Default: "1", Range: "[0, 1]"}
	with := func(change func(p *aggregate.Param)) aggregate.Param {
		p := good
		change(&p)
		return p
	}
	for what, register := range map[string]func(){
		"twice":               rule("clip", "doc"),
		"no doc":              rule("test-x", ""),
		"name":                rule("Test X", "doc"),
		"param twice":         rule("test-x", "doc", good, good),
		"param of an outer":   rule("test-x", "doc", with(func(p *aggregate.Param) { p.Name = "lr" })),
		"param without doc":   rule("test-x", "doc", with(func(p *aggregate.Param) { p.Doc = "" })),
		"default not in it":   rule("test-x", "doc", with(func(p *aggregate.Param) { p.Default = "2" })),
		"no interval":         rule("test-x", "doc", with(func(p *aggregate.Param) { p.Range = "0, 1" })),
		"interval backwards":  rule("test-x", "doc", with(func(p *aggregate.Param) { p.Range = "[1, 0]" })),
		"interval of nothing": rule("test-x", "doc", with(func(p *aggregate.Param) { p.Range = "" })),
	} {
		t.Run(what, func(t *testing.T) {
			before := len(aggregate.Rules())
			defer func() {
				if recover() == nil {
					t.Error("registered")
				}
				if len(aggregate.Rules()) != before {
					t.Error("it is among the rules")
				}
			}()
			register()
		})
	}
}
