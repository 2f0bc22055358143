package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Constants is what a run's model has beside its common weights: [Beside]. It is DAG-CBOR as its opener wrote it, {tensors: link,
// aliases: {text: text}, local: [text]}, each absent if empty. Those who take part hold it, and take no part in a run whose
// constants they cannot read.
type Constants struct{ Passed }

// Beside is what a model has beside its common weights: tensors of whole numbers and truth values, which are the same in every
// round, the first values of tensors that each site has its own of, and further names of weights that are tied.
type Beside struct {
	Tensors block.CID         `cbor:"tensors,omitzero" json:"tensors,omitzero"`   // manifest; undefined: none
	Aliases map[string]string `cbor:"aliases,omitempty" json:"aliases,omitempty"` // each with the name of its weight
	Local   []string          `cbor:"local,omitempty" json:"local,omitempty"`     // patterns of names: these of the tensors are only the first values, and each site's own from then on
}

// Limits of names, which are part of the ledger.
const (
	MaxAliases    = 256
	MaxLocal      = 64   // patterns
	MaxTensorName = 1024 // bytes, and of a pattern
)

// NewConstants returns the field.
func NewConstants(b Beside) Constants {
	if !b.Tensors.Defined() && len(b.Aliases) == 0 && len(b.Local) == 0 {
		return Constants{}
	}
	return Constants{block.Encode(b)}
}

// Read returns what the field holds. What this program cannot read is an ErrMalformed.
func (c Constants) Read() (b Beside, err error) {
	if c.IsZero() {
		return b, nil
	}
	if err = block.Decode(c.Passed, &b); err == nil {
		err = b.check()
	}
	if err != nil {
		return Beside{}, fmt.Errorf("%w: constants: %w", ErrMalformed, err)
	}
	return b, nil
}

func (b *Beside) check() error {
	if b.Tensors.Defined() && b.Tensors.Codec() != block.DagCBOR || len(b.Aliases) > MaxAliases || len(b.Local) > MaxLocal {
		return fmt.Errorf("tensors %s, %d aliases, %d patterns of local tensors", b.Tensors, len(b.Aliases), len(b.Local))
	}
	for alias, name := range b.Aliases {
		if alias == "" || name == "" || len(alias) > MaxTensorName || len(name) > MaxTensorName {
			return fmt.Errorf("alias %.40q of %.40q", alias, name)
		}
	}
	for _, pattern := range b.Local {
		if pattern == "" || len(pattern) > MaxTensorName {
			return fmt.Errorf("local: pattern %.40q, want 1 to %d bytes", pattern, MaxTensorName)
		}
	}
	return nil
}

// Tensors returns the manifest of the tensors, undefined if there are none, or this program cannot read the field.
func (c Constants) Tensors() block.CID {
	b, _ := c.Read()
	return b.Tensors
}

// MarshalJSON writes what it holds.
func (c Constants) MarshalJSON() ([]byte, error) {
	b, err := c.Read()
	return c.json(b, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Constants) UnmarshalJSON(data []byte) error {
	var b Beside
	return c.fromJSON(data, &b, func() Passed { return NewConstants(b).Passed })
}
