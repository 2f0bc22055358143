package deal

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/hint"
)

// Kind is how a plan chooses a row's site.
type Kind string

// The kinds of plans.
const (
	IID       Kind = "iid"       // every site gets as many rows, without regard to labels
	Dirichlet Kind = "dirichlet" // each label's rows are shared out by a draw from Dirichlet(alpha)
	Label     Kind = "label"     // every site gets so many shards of the rows sorted by label (McMahan et al. 2017)
)

// Limits on a plan's number.
const (
	minAlpha, maxAlpha = 0.001, 1000
	maxShards          = 1000 // of a site
)

// Plan is how rows are dealt out.
type Plan struct {
	Kind   Kind
	Alpha  float64 // of Dirichlet: the smaller, the more sites differ
	Labels int     // of Label: how many shards a site gets, so that it has about as many labels
}

// ParsePlan reads a plan as people write it: iid, dirichlet:0.5 or label:2.
func ParsePlan(text string) (Plan, error) {
	kind, number, has := strings.Cut(text, ":")
	p := Plan{Kind: Kind(kind)}
	var err error
	switch {
	case p.Kind == Dirichlet && has:
		p.Alpha, err = strconv.ParseFloat(number, 64)
	case p.Kind == Label && has:
		p.Labels, err = strconv.Atoi(number)
	case p.Kind != IID || has:
		return Plan{}, hint.Add(fmt.Errorf("no such partition: %.60q", text), "use iid, dirichlet:0.5 or label:2")
	}
	if err != nil {
		return Plan{}, hint.Add(fmt.Errorf("partition %.60q: %.60q is no number", text, number), "use "+p.example())
	}
	return p, p.Validate()
}

// Validate says what is wrong with the plan, if anything.
func (p Plan) Validate() error {
	switch {
	case p.Kind == Dirichlet && !(p.Alpha >= minAlpha && p.Alpha <= maxAlpha):
		return hint.Add(fmt.Errorf("partition dirichlet: alpha is %v, want %v to %v", p.Alpha, minAlpha, maxAlpha),
			"below 1 the sites differ much, from 10 on hardly")
	case p.Kind == Label && (p.Labels < 1 || p.Labels > maxShards):
		return hint.Add(fmt.Errorf("partition label: %d labels a site, want 1 to %d", p.Labels, maxShards), "use "+p.example())
	case p.Kind != IID && p.Kind != Dirichlet && p.Kind != Label:
		return hint.Add(fmt.Errorf("no such partition: %.60q", p.Kind), "use iid, dirichlet:0.5 or label:2")
	}
	return nil
}

// example is a plan of the same kind.
func (p Plan) example() string {
	if p.Kind == Dirichlet {
		return "dirichlet:0.5"
	}
	return "label:2"
}

// String writes the plan so that ParsePlan reads it.
func (p Plan) String() string {
	switch p.Kind {
	case Dirichlet:
		return fmt.Sprintf("%s:%v", p.Kind, p.Alpha)
	case Label:
		return fmt.Sprintf("%s:%d", p.Kind, p.Labels)
	}
	return string(p.Kind)
}

// needsLabel reports whether rows cannot be dealt without labels.
func (p Plan) needsLabel() bool { return p.Kind != IID }
