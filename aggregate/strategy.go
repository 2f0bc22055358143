package aggregate

// Strategy is how a run makes its next model: a rule and an outer step, with the run's parameters. It can be used by several
// reductions at once. The zero Strategy is the weighted mean without an outer step.
type Strategy struct {
	rule  Rule
	outer Outer
}

// NewStrategy returns the strategy that a run description names: "" stands for fedavg as rule, and for none as outer step.
// What this program does not know, or cannot do, comes back as a SpecError, which names the field.
func NewStrategy(rule, outer string, params map[string]string) (s Strategy, err error) {
	if rule == "" {
		rule = "fedavg"
	}
	if outer == "" {
		outer = "none"
	}
	r, err := rules.find("rule", rule)
	if err != nil {
		return s, err
	}
	o, err := outers.find("outer", outer)
	if err != nil {
		return s, err
	}
	if err := onlyKnown(params, r.Entry, o.Entry); err != nil {
		return s, err
	}
	if s.rule, err = r.make(params); err != nil {
		return Strategy{}, err
	}
	if s.outer, err = o.make(params); err != nil {
		return Strategy{}, err
	}
	return s, nil
}

// Slots returns the names of the state's slots, each as large as the model; none if the outer step has no state.
func (s Strategy) Slots() []string {
	if s.outer == nil {
		return nil
	}
	return s.outer.Slots()
}

// CarriesLate reports whether late updates can be carried over from their own bases (late: carry). Only a mean of parameters
// can take them so: other strategies combine changes of the round's base.
func (s Strategy) CarriesLate() bool { return s.direct() }

// direct reports whether the model is the weighted mean of the parameters themselves, which takes no difference and reads no
// base: weft's first rule, whose bits stay.
func (s Strategy) direct() bool {
	_, mean := s.rule.(fedAvg)
	step, none := s.outer.(plain)
	return (mean || s.rule == nil) && (s.outer == nil || none && step.rate == 1)
}
