package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/block"
)

// Strategy is what a run's description says of its strategy beside the rule: [Method]. It is DAG-CBOR as its opener wrote it,
// {outer: text, params: {text: text}, state: link}, each absent if empty; a description that says nothing has none. Those who compute models
// read it, and take no part in a run of which they cannot.
type Strategy struct{ Passed }

// Method is how models are made, beside the rule: the outer step, the parameters of both, and the state that the outer step
// begins with.
type Method struct {
	Outer  string            `cbor:"outer,omitempty" json:"outer,omitempty"` // its name; empty: none
	Params map[string]string `cbor:"params,omitempty" json:"params,omitempty"`
	State  block.CID         `cbor:"state,omitzero" json:"state,omitzero"` // of an earlier run; undefined: all zero
}

// maxParams is the most parameters that a rule and an outer step have.
const maxParams = 64

// NewStrategy returns the field. An outer step named none is no step.
func NewStrategy(m Method) Strategy {
	if m.Outer == "none" {
		m.Outer = ""
	}
	if m.Outer == "" && len(m.Params) == 0 {
		return Strategy{}
	}
	return Strategy{block.Encode(m)}
}

// Read returns the method. What this program cannot read is an ErrMalformed.
func (s Strategy) Read() (m Method, err error) {
	if s.IsZero() {
		return m, nil
	}
	if err = block.Decode(s.Passed, &m); err == nil {
		err = m.check()
	}
	if err != nil {
		return Method{}, fmt.Errorf("%w: strategy: %w", ErrMalformed, err)
	}
	return m, nil
}

// WithState returns the field for an outer step that begins with a state of an earlier run; undefined is no state.
func (s Strategy) WithState(state block.CID) Strategy {
	m, err := s.Read()
	if err != nil || !state.Defined() {
		return s
	}
	m.State = state
	return NewStrategy(m)
}

// State returns the name of the state that the outer step begins with, undefined if it begins with none, or this program cannot
// read the field.
func (s Strategy) State() block.CID {
	m, _ := s.Read()
	return m.State
}

func (m *Method) check() error {
	if m.Outer != "" && !ValidName(m.Outer) || len(m.Params) > maxParams {
		return fmt.Errorf("outer step %.40q, %d parameters", m.Outer, len(m.Params))
	}
	if m.State.Defined() && (m.State.Codec() != block.DagCBOR || m.Outer == "") {
		return fmt.Errorf("state %s of outer step %.40q", m.State, m.Outer)
	}
	for k, v := range m.Params {
		if !ValidName(k) || !ValidName(v) {
			return fmt.Errorf("parameter %.40q is %.40q", k, v)
		}
	}
	return nil
}

// String says it for people, "" where it says nothing.
func (m Method) String() string {
	var parts []string
	if m.Outer != "" {
		parts = append(parts, "outer step "+m.Outer)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Params)) {
		parts = append(parts, name+" "+m.Params[name])
	}
	return strings.Join(parts, ", ")
}

// MarshalJSON writes what it holds.
func (s Strategy) MarshalJSON() ([]byte, error) {
	m, err := s.Read()
	return s.json(m, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Strategy) UnmarshalJSON(b []byte) error {
	var m Method
	return s.fromJSON(b, &m, func() Passed { return NewStrategy(m).Passed })
}
