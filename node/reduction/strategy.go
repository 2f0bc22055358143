package reduction

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/ledger"
)

// Strategy returns how a run makes its models. What this program does not know, or cannot do in a run, comes back as an
// [aggregate.SpecError], which names the field.
func Strategy(spec *ledger.RunSpec) (s aggregate.Strategy, err error) {
	method, err := spec.Strategy.Read()
	if err != nil {
		return s, &aggregate.SpecError{Field: "strategy", Why: err.Error()}
	}
	if s, err = aggregate.NewStrategy(spec.Rule, method.Outer, method.Params); err != nil {
		return s, err
	}
	if spec.Late == ledger.Carry && !s.CarriesLate() {
		return s, &aggregate.SpecError{Field: "late", Why: "only the mean of parameters carries late updates over: policy drop"}
	}
	return s, nil
}

// Knows returns how a run makes its models, and which protocol number's programs were the first to know all names in its
// description; or, by an error, which of them this program does not know. That is a site's readiness, and never an entry's validity.
type Knows func(*ledger.RunSpec) (s aggregate.Strategy, since uint64, err error)

// constantsSince is the protocol number whose programs were the first to know a run's constants. They need not be in force.
const constantsSince = 3

// stateSince is the same for the state of an earlier run that an outer step begins with.
const stateSince = 4

// KnownNames is the [Knows] of this program.
func KnownNames(spec *ledger.RunSpec) (s aggregate.Strategy, since uint64, err error) {
	if s, err = Strategy(spec); err != nil {
		return s, 2, err
	}
	if _, err = spec.Constants.Read(); err != nil {
		return s, constantsSince, &aggregate.SpecError{Field: "model", Why: err.Error()}
	}
	if _, err = spec.Bounds.Read(); err != nil {
		return s, ledger.BoundsProtocol, &aggregate.SpecError{Field: "bounds", Why: err.Error()}
	}
	switch terms, err := spec.Selection.Read(); {
	case err != nil:
		return s, ledger.SelectionProtocol, &aggregate.SpecError{Field: "selection", Why: err.Error()}
	case terms.Cross != "":
		return s, ledger.CrossProtocol, nil
	case spec.Strategy.State().Defined():
		return s, stateSince, nil
	case !spec.Bounds.IsZero():
		return s, ledger.BoundsProtocol, nil
	case spec.Late == ledger.Average:
		return s, ledger.AverageProtocol, nil
	case !spec.Selection.IsZero():
		return s, ledger.SelectionProtocol, nil
	case !spec.Constants.IsZero():
		return s, constantsSince, nil
	case spec.Plain():
		return s, 1, nil
	}
	return s, 2, nil
}

// Unknown says what of a run this program does not know, so that it neither trains nor reduces for it; nothing if it knows all.
func (knows Knows) Unknown(r *ledger.Run) string {
	if len(r.Unknown) > 0 {
		return fmt.Sprintf("unknown field %q", strings.Join(r.Unknown, ", "))
	}
	if _, _, err := knows(r.Spec); err != nil {
		_, why := Wrong(err)
		return why
	}
	return ""
}

// Wrong returns which field of a run's description an error of [Strategy] is about, and what is wrong with it.
func Wrong(err error) (field, why string) {
	if spec := new(aggregate.SpecError); errors.As(err, &spec) {
		return spec.Field, spec.Why
	}
	return "rule", err.Error()
}
