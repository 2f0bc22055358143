package tensor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/tensor"
)

// The expectations are those of Python's fnmatch.fnmatchcase.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"classifier.*", "classifier.0.weight", true},
		{"classifier.*", "my.classifier.0.weight", false},
		{"*.bn*", "layer1.0.bn2.running_mean", true},
		{"*.bn*", "bn1.weight", false},
		{"*bn?.weight", "layer1.bn2.weight", true},
		{"*bn?.weight", "layer1.bn22.weight", false},
		{"*a*b*c", "xxaxxbxxbxxc", true},
		{"*a*b*c", "xxaxxbxxbxxcx", false},
		{"*", "anything", true},
		{"", "anything", false},
		{"weight", "weight", true},
		{"weight", "weights", false},
		{"layer[0-3].*", "layer2.w", true},
		{"layer[0-3].*", "layer4.w", false},
		{"layer[!0-3].*", "layer4.w", true},
		{"layer[!0-3].*", "layer3.w", false},
		{"a[]]b", "a]b", true},
		{"a[!]]b", "a]b", false},
		{"a[b", "a[b", true},
		{"a[b", "ab", false},
		{"a[z-a]b", "amb", false},
		{"a[-x]b", "a-b", true},
		{"?", "é", true},
		{"A*", "ab", false},
	} {
		if got := (tensor.Patterns{c.pattern}).Match(c.name); got != c.want {
			t.Errorf("%q of %q: %v", c.pattern, c.name, got)
		}
	}
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "a.bn"}, {Name: "a.w"}, {Name: "head"}}}
	if got := (tensor.Patterns{"head", "*.bn"}).Names(l); !slices.Equal(got, []string{"a.bn", "head"}) {
		t.Errorf("got %v", got)
	}
}

// FuzzPatterns: whatever a ledger says ends, and a name without signs of a pattern is its own.
func FuzzPatterns(f *testing.F) {
	f.Add("*.bn*", "layer.bn.weight")
	f.Add("[!a-", "[!a-")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern)+len(name) > 2000 {
			return
		}
		p := tensor.Patterns{pattern}
		if p.Match(name) && !(tensor.Patterns{"*" + pattern}).Match("x"+name) {
			t.Errorf("%q matches %q, and with a * in front not what is longer", pattern, name)
		}
		if !strings.ContainsAny(name, "*?[") && !(tensor.Patterns{name}).Match(name) {
			t.Errorf("%q is not its own pattern", name)
		}
	})
}
