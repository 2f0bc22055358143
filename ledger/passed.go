package ledger

import (
	"encoding/hex"
	"encoding/json"

	"github.com/weft-mesh/weft/block"
)

// Passed is a field of a signed body that an entry's validity passes over: DAG-CBOR as its author wrote it, absent if empty.
// Programs before the field have never read it, so that sites of two versions must not differ by what it holds: those who use
// it read it, and do without what they cannot read.
type Passed []byte

// IsZero reports whether the body has no such field.
func (p Passed) IsZero() bool { return len(p) == 0 }

// MarshalCBOR writes it as it was read.
func (p Passed) MarshalCBOR() ([]byte, error) { return p, nil }

// UnmarshalCBOR keeps it as it is, whatever it is: an older program asks of it to be DAG-CBOR, and no more.
func (p *Passed) UnmarshalCBOR(b []byte) error {
	if err := block.Canonical(b); err != nil {
		return err
	}
	*p = append(Passed{}, b...)
	return nil
}

// rawJSON stands for people in the place of a field that cannot be read.
type rawJSON struct {
	Raw string `json:"raw"`
}

// json writes for people what the field holds, or its bytes if that could not be read.
func (p Passed) json(fields any, unreadable error) ([]byte, error) {
	if unreadable != nil {
		return json.Marshal(rawJSON{hex.EncodeToString(p)})
	}
	return json.Marshal(fields)
}

// fromJSON reads what json wrote; fields are for what could be read, and encode makes the field of them.
func (p *Passed) fromJSON(b []byte, fields any, encode func() Passed) error {
	var raw rawJSON
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if raw.Raw != "" {
		data, err := hex.DecodeString(raw.Raw)
		*p = data
		return err
	}
	if err := json.Unmarshal(b, fields); err != nil {
		return err
	}
	*p = encode()
	return nil
}
