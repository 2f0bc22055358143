package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Strategy is what a run's description says of its strategy beside the rule: the outer step's name and the parameters of
// both, and the state that the outer step begins with. It is DAG-CBOR as its opener wrote it, {outer: text, params: {text: text},
// state: link}, each absent if empty; a description that says nothing has none. Those who compute models read it, and take no part in a run of which they cannot.
type Strategy struct{ Passed }

// maxParams is the most parameters that a rule and an outer step have.
const maxParams = 64

type strategyFields struct {
	Outer  string            `cbor:"outer,omitempty" json:"outer,omitempty"`
	Params map[string]string `cbor:"params,omitempty" json:"params,omitempty"`
	State  block.CID         `cbor:"state,omitzero" json:"state,omitzero"` // of an earlier run; undefined: all zero
}

// NewStrategy returns the field for an outer step, "" or none being no step, and parameters.
func NewStrategy(outer string, params map[string]string) Strategy {
	if outer == "none" {
		outer = ""
	}
	if outer == "" && len(params) == 0 {
		return Strategy{}
	}
	return Strategy{block.Encode(strategyFields{Outer: outer, Params: params})}
}

// WithState returns the field for an outer step that begins with a state of an earlier run; undefined is no state.
func (s Strategy) WithState(state block.CID) Strategy {
	f, err := s.read()
	if err != nil || !state.Defined() {
		return s
	}
	f.State = state
	return Strategy{block.Encode(f)}
}

// State returns the name of the state that the outer step begins with, undefined if it begins with none, or this program cannot
// read the field.
func (s Strategy) State() block.CID {
	f, _ := s.read()
	return f.State
}

// Read returns the outer step's name, empty for none, and the parameters. What this program cannot read is an ErrMalformed.
func (s Strategy) Read() (outer string, params map[string]string, err error) {
	f, err := s.read()
	return f.Outer, f.Params, err
}

func (s Strategy) read() (f strategyFields, err error) {
	if s.IsZero() {
		return f, nil
	}
	if err := block.Decode(s.Passed, &f); err != nil {
		return strategyFields{}, fmt.Errorf("%w: strategy: %w", ErrMalformed, err)
	}
	if f.Outer != "" && !ValidName(f.Outer) || len(f.Params) > maxParams {
		return strategyFields{}, fmt.Errorf("%w: strategy: outer step %.40q, %d parameters", ErrMalformed, f.Outer, len(f.Params))
	}
	if f.State.Defined() && (f.State.Codec() != block.DagCBOR || f.Outer == "") {
		return strategyFields{}, fmt.Errorf("%w: strategy: state %s of outer step %.40q", ErrMalformed, f.State, f.Outer)
	}
	for k, v := range f.Params {
		if !ValidName(k) || !ValidName(v) {
			return strategyFields{}, fmt.Errorf("%w: strategy: parameter %.40q is %.40q", ErrMalformed, k, v)
		}
	}
	return f, nil
}

// MarshalJSON writes what it holds.
func (s Strategy) MarshalJSON() ([]byte, error) {
	f, err := s.read()
	return s.json(f, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Strategy) UnmarshalJSON(b []byte) error {
	var f strategyFields
	return s.fromJSON(b, &f, func() Passed { return NewStrategy(f.Outer, f.Params).WithState(f.State).Passed })
}
