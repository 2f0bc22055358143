package node

import (
	"path"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/yamlfile"
)

// AcceptPolicy says who answers when a run is opened in the mesh.
type AcceptPolicy string

// The policies of config.yaml.
const (
	AcceptAuto AcceptPolicy = "auto" // this site takes part in every run
	AcceptAsk  AcceptPolicy = "ask"  // the operator is asked
	AcceptList AcceptPolicy = "list" // it takes part in the runs that match; the operator is asked about the others
)

// Accept is a site's policy for taking part in runs. A run never carries code, but it decides what
// the site computes and which updates leave it, so that the answer is the site's alone.
type Accept struct {
	Policy AcceptPolicy
	Rules  []AcceptRule // of AcceptList
}

// AcceptRule matches runs by name and opener, both patterns as of path.Match; empty matches all.
type AcceptRule struct {
	Run  string `yaml:"run"`
	From string `yaml:"from"`
}

// UnmarshalYAML reads auto, ask or a list of rules.
func (a *Accept) UnmarshalYAML(node ast.Node) error {
	switch n := node.(type) {
	case *ast.StringNode:
		a.Policy, a.Rules = AcceptPolicy(n.Value), nil
		if a.Policy != AcceptAuto && a.Policy != AcceptAsk {
			return yamlfile.Wrong(n, "%q, want auto, ask, or a list of rules such as - run: NAME or - from: SITE", n.Value)
		}
		return nil
	case *ast.SequenceNode:
		a.Policy, a.Rules = AcceptList, nil
		for _, v := range n.Values {
			var r AcceptRule
			if err := yaml.NodeToValue(v, &r, yaml.Strict()); err != nil {
				return err
			}
			_, errRun := path.Match(r.Run, "")
			_, errFrom := path.Match(r.From, "")
			if r == (AcceptRule{}) || errRun != nil || errFrom != nil {
				return yamlfile.Wrong(v, "a rule has run: or from: with a name, in which * stands for any characters")
			}
			a.Rules = append(a.Rules, r)
		}
		return nil
	}
	return yamlfile.Wrong(node, "want auto, ask, or a list of rules")
}

// String returns the policy in a line.
func (a *Accept) String() string {
	if a.Policy != AcceptList {
		return string(a.Policy)
	}
	var rules []string
	for _, r := range a.Rules {
		var words []string
		if r.Run != "" {
			words = append(words, "run: "+r.Run)
		}
		if r.From != "" {
			words = append(words, "from: "+r.From)
		}
		rules = append(rules, strings.Join(words, " "))
	}
	return strings.Join(rules, ", ")
}

// decide returns the site's answer on a run, and whether it has one without asking the operator.
// A run that this site opened itself is its own wish.
func (a *Accept) decide(spec *ledger.RunSpec, opener string, own bool) (accept, known bool) {
	if own || a.Policy == AcceptAuto {
		return true, true
	}
	for _, r := range a.Rules {
		if matches(r.Run, spec.Name) && matches(r.From, opener) {
			return true, true
		}
	}
	return false, false
}

func matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
