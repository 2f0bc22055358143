package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Strategy is what a run's description says of its strategy beside the rule: the outer step's name and the parameters of
// both. It is DAG-CBOR as its opener wrote it, {outer: text, params: {text: text}}, each absent if empty; a description that says
// nothing has none. Those who compute models read it, and take no part in a run of which they cannot.
type Strategy struct{ Passed }

// maxParams is the most parameters that a rule and an outer step have.
const maxParams = 64

type strategyFields struct {
	Outer  string            `cbor:"outer,omitempty" json:"outer,omitempty"`
	Params map[string]string `cbor:"params,omitempty" json:"params,omitempty"`
}

// NewStrategy returns the field for an outer step, "" or none being no step, and parameters.
func NewStrategy(outer string, params map[string]string) Strategy {
	if outer == "none" {
		outer = ""
	}
	if outer == "" && len(params) == 0 {
		return Strategy{}
	}
	return Strategy{block.Encode(strategyFields{outer, params})}
}

// Read returns the outer step's name, empty for none, and the parameters. What this program cannot read is an ErrMalformed.
func (s Strategy) Read() (outer string, params map[string]string, err error) {
	if s.IsZero() {
		return "", nil, nil
	}
	var f strategyFields
	if err := block.Decode(s.Passed, &f); err != nil {
		return "", nil, fmt.Errorf("%w: strategy: %w", ErrMalformed, err)
	}
	if f.Outer != "" && !ValidName(f.Outer) || len(f.Params) > maxParams {
		return "", nil, fmt.Errorf("%w: strategy: outer step %.40q, %d parameters", ErrMalformed, f.Outer, len(f.Params))
	}
	for k, v := range f.Params {
		if !ValidName(k) || !ValidName(v) {
			return "", nil, fmt.Errorf("%w: strategy: parameter %.40q is %.40q", ErrMalformed, k, v)
		}
	}
	return f.Outer, f.Params, nil
}

// MarshalJSON writes what it holds.
func (s Strategy) MarshalJSON() ([]byte, error) {
	outer, params, err := s.Read()
	return s.json(strategyFields{outer, params}, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Strategy) UnmarshalJSON(b []byte) error {
	var f strategyFields
	return s.fromJSON(b, &f, func() Passed { return NewStrategy(f.Outer, f.Params).Passed })
}
