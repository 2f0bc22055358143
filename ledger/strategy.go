package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/block"
)

// Strategy is what a run's description says of its strategy beside the rule: [Method]. It is DAG-CBOR as its opener wrote it,
// {outer: text, params: {text: text}}, each absent if empty; a description that says nothing has none. Those who compute models
// read it, and take no part in a run of which they cannot.
type Strategy struct{ Passed }

// Method is how models are made, beside the rule: the outer step and the parameters of both.
type Method struct {
	Outer  string            `cbor:"outer,omitempty" json:"outer,omitempty"` // its name; empty: none
	Params map[string]string `cbor:"params,omitempty" json:"params,omitempty"`
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

func (m *Method) check() error {
	if m.Outer != "" && !ValidName(m.Outer) || len(m.Params) > maxParams {
		return fmt.Errorf("outer step %.40q, %d parameters", m.Outer, len(m.Params))
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
