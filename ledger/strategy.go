package ledger

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Strategy is what a run's description says of its strategy beside the rule: the outer step's name and the parameters of
// both. It is DAG-CBOR as its opener wrote it, {outer: text, params: {text: text}}, each absent if empty; a description that says
// nothing has none. The first version of weft passes over the field, so what it holds must be no part of an entry's validity:
// those who compute models read it, and take no part in a run of which they cannot.
type Strategy []byte

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
		return nil
	}
	return block.Encode(strategyFields{outer, params})
}

// Read returns the outer step's name, empty for none, and the parameters. What this program cannot read is an ErrMalformed.
func (s Strategy) Read() (outer string, params map[string]string, err error) {
	if len(s) == 0 {
		return "", nil, nil
	}
	var f strategyFields
	if err := block.Decode(s, &f); err != nil {
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

// IsZero reports whether the description has no such field.
func (s Strategy) IsZero() bool { return len(s) == 0 }

// MarshalCBOR writes it as it was read.
func (s Strategy) MarshalCBOR() ([]byte, error) { return s, nil }

// UnmarshalCBOR keeps it as it is, whatever it is: the first version asks of it to be DAG-CBOR, and no more.
func (s *Strategy) UnmarshalCBOR(b []byte) error {
	if err := block.Canonical(b); err != nil {
		return err
	}
	*s = append(Strategy{}, b...)
	return nil
}

// strategyJSON is a Strategy for people; one that cannot be read is shown by its bytes.
type strategyJSON struct {
	strategyFields
	Raw string `json:"raw,omitempty"`
}

// MarshalJSON writes what it holds.
func (s Strategy) MarshalJSON() ([]byte, error) {
	outer, params, err := s.Read()
	if err != nil {
		return json.Marshal(strategyJSON{Raw: hex.EncodeToString(s)})
	}
	return json.Marshal(strategyFields{outer, params})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Strategy) UnmarshalJSON(b []byte) error {
	var j strategyJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*s = NewStrategy(j.Outer, j.Params)
	if j.Raw == "" {
		return nil
	}
	raw, err := hex.DecodeString(j.Raw)
	*s = raw
	return err
}
