package aggregate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Entry describes a registered rule or outer step.
type Entry struct {
	Name   string  `json:"name"`
	Doc    string  `json:"doc"` // a line that says what it is, then paragraphs: formula, source, what it is good for
	Params []Param `json:"params,omitempty"`
}

// RegisterRule makes a rule known by name. It is called by a package-level variable of the file that has the rule:
//
//	var _ = RegisterRule("median", doc, params, newMedian)
//
// new makes the rule for a run's values, which lie in the ranges of params. It panics for an entry that is not well formed.
func RegisterRule(name, doc string, params []Param, new func(Values) (Rule, error)) struct{} {
	_, twice := rules[name]
	e := Entry{name, doc, params}
	e.mustBeWellFormed(twice, Outers())
	rules[name] = registered[Rule]{e, new}
	return struct{}{}
}

// RegisterOuter makes an outer step known by name, as [RegisterRule] does a rule.
func RegisterOuter(name, doc string, params []Param, new func(Values) (Outer, error)) struct{} {
	_, twice := outers[name]
	e := Entry{name, doc, params}
	e.mustBeWellFormed(twice, Rules())
	outers[name] = registered[Outer]{e, new}
	return struct{}{}
}

// Rules returns the rules that this program knows, by name.
func Rules() []Entry { return rules.entries() }

// Outers returns the outer steps that this program knows, by name.
func Outers() []Entry { return outers.entries() }

var (
	rules  = registry[Rule]{}
	outers = registry[Outer]{}
)

// registry is the rules, or the outer steps, by name.
type registry[T any] map[string]registered[T]

type registered[T any] struct {
	Entry
	new func(Values) (T, error)
}

// nameForm is what names look like; name@version is for strategies that are compiled in by others.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]*(@[a-z0-9.]+)?$`)

// mustBeWellFormed panics unless the entry can be registered. others are those of the other kind: a run gives one list of
// parameters to a rule and an outer step, so no name may be a parameter of both.
func (e Entry) mustBeWellFormed(twice bool, others []Entry) {
	if twice || !nameForm.MatchString(e.Name) || e.Doc == "" {
		panic(fmt.Sprintf("aggregate: register %q: a name of its own and a text are needed", e.Name))
	}
	for i, p := range e.Params {
		if _, wrong := p.parse(p.Default); wrong != "" || !nameForm.MatchString(p.Name) || p.Doc == "" {
			panic(fmt.Sprintf("aggregate: register %q: parameter %q: a name, a text and a default in its range are needed: %s", e.Name, p.Name, wrong))
		}
		has := func(q Param) bool { return q.Name == p.Name }
		if slices.ContainsFunc(e.Params[:i], has) || slices.ContainsFunc(others, func(o Entry) bool { return slices.ContainsFunc(o.Params, has) }) {
			panic(fmt.Sprintf("aggregate: register %q: parameter %q is taken", e.Name, p.Name))
		}
	}
}

func (r registry[T]) entries() (list []Entry) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		list = append(list, r[name].Entry)
	}
	return list
}

// find returns what is registered under a name; field is of the run description.
func (r registry[T]) find(field, name string) (registered[T], error) {
	found, ok := r[name]
	if !ok {
		return found, &SpecError{Field: field, Why: fmt.Sprintf("unknown %s %.40q; this weft knows %s", field, name, listed(slices.Collect(maps.Keys(r)), "none"))}
	}
	return found, nil
}

// make returns the rule or outer step with a run's parameters.
func (r registered[T]) make(params map[string]string) (made T, err error) {
	v, err := valuesOf(r.Params, params)
	if err != nil {
		return made, err
	}
	return r.new(v)
}
