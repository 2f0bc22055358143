package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Constants is what a run's model has beside its weights, the same in every round: tensors of whole numbers and truth values,
// and further names of weights that are tied. It is DAG-CBOR as its opener wrote it, {tensors: link, aliases: {text: text}}, each
// absent if empty. Those who take part hold it, and take no part in a run whose constants they cannot read.
type Constants struct{ Passed }

// Limits of the further names, which are part of the ledger.
const (
	MaxAliases    = 256
	MaxTensorName = 1024 // bytes
)

type constantsFields struct {
	Tensors block.CID         `cbor:"tensors,omitzero" json:"tensors,omitzero"`
	Aliases map[string]string `cbor:"aliases,omitempty" json:"aliases,omitempty"`
}

// NewConstants returns the field for the manifest of an artifact, undefined if there are no such tensors, and for the further names.
func NewConstants(tensors block.CID, aliases map[string]string) Constants {
	if !tensors.Defined() && len(aliases) == 0 {
		return Constants{}
	}
	return Constants{block.Encode(constantsFields{tensors, aliases})}
}

// Read returns the manifest of the tensors, undefined if there are none, and the further names, each with the name of its
// weight. What this program cannot read is an ErrMalformed.
func (c Constants) Read() (tensors block.CID, aliases map[string]string, err error) {
	if c.IsZero() {
		return block.CID{}, nil, nil
	}
	var f constantsFields
	if err := block.Decode(c.Passed, &f); err != nil {
		return block.CID{}, nil, fmt.Errorf("%w: constants: %w", ErrMalformed, err)
	}
	if f.Tensors.Defined() && f.Tensors.Codec() != block.DagCBOR || len(f.Aliases) > MaxAliases {
		return block.CID{}, nil, fmt.Errorf("%w: constants: tensors %s, %d aliases", ErrMalformed, f.Tensors, len(f.Aliases))
	}
	for alias, name := range f.Aliases {
		if alias == "" || name == "" || len(alias) > MaxTensorName || len(name) > MaxTensorName {
			return block.CID{}, nil, fmt.Errorf("%w: constants: alias %.40q of %.40q", ErrMalformed, alias, name)
		}
	}
	return f.Tensors, f.Aliases, nil
}

// Tensors returns the manifest of the tensors, undefined if there are none, or this program cannot read the field.
func (c Constants) Tensors() block.CID {
	tensors, _, _ := c.Read()
	return tensors
}

// MarshalJSON writes what it holds.
func (c Constants) MarshalJSON() ([]byte, error) {
	tensors, aliases, err := c.Read()
	return c.json(constantsFields{tensors, aliases}, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Constants) UnmarshalJSON(b []byte) error {
	var f constantsFields
	return c.fromJSON(b, &f, func() Passed { return NewConstants(f.Tensors, f.Aliases).Passed })
}
