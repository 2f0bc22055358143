package ledger

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/weft-mesh/weft/block"
)

// Constants is what a run's model has beside its common weights: [Beside]. It is DAG-CBOR as its opener wrote it, {tensors: link,
// aliases: {text: text}, local: [text], adapter: text, frozen: {text: link}}, each absent if empty. Those who take part hold it, and take no part in a run whose
// constants they cannot read.
type Constants struct{ Passed }

// Beside is what a model has beside its common weights: tensors of whole numbers and truth values, which are the same in every
// round, the first values of tensors that each site has its own of, further names of weights that are tied, and what an adapter is one of.
type Beside struct {
	Tensors block.CID         `cbor:"tensors,omitzero" json:"tensors,omitzero"`   // manifest; undefined: none
	Aliases map[string]string `cbor:"aliases,omitempty" json:"aliases,omitempty"` // each with the name of its weight
	Local   []string          `cbor:"local,omitempty" json:"local,omitempty"`     // patterns of names: these of the tensors are only the first values, and each site's own from then on
	Adapter string            `cbor:"adapter,omitempty" json:"adapter,omitempty"` // adapter_config.json, as PEFT has it; empty: the weights are no adapter, or one that nothing is known of
	Frozen  Frozen            `cbor:"frozen,omitempty" json:"frozen,omitempty"`   // the model that an adapter is made for, of which each site has its own copy; empty: nothing is known of it
}

// Limits of names, which are part of the ledger.
const (
	MaxAliases    = 256
	MaxLocal      = 64       // patterns
	MaxTensorName = 1024     // bytes, and of a pattern
	MaxAdapter    = 32 << 10 // bytes of JSON
)

// NewConstants returns the field.
func NewConstants(b Beside) Constants {
	if !b.Tensors.Defined() && len(b.Aliases) == 0 && len(b.Local) == 0 && b.Adapter == "" && len(b.Frozen) == 0 {
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
	if err := CheckAdapter(b.Adapter); b.Adapter != "" && err != nil {
		return err
	}
	if err := b.Frozen.Check(); err != nil {
		return err
	}
	for _, pattern := range b.Local {
		if pattern == "" || len(pattern) > MaxTensorName {
			return fmt.Errorf("local: pattern %.40q, want 1 to %d bytes", pattern, MaxTensorName)
		}
	}
	return nil
}

// AdapterKey is the key under which the metadata of a model's safetensors file has an adapter's configuration: the name of PEFT's
// file of it.
const AdapterKey = "adapter_config.json"

// Metadata is what a model's safetensors file says beside its tensors: further names of tied weights, what an adapter is one of, and
// the model that it is made for.
func (b *Beside) Metadata() map[string]string {
	all := map[string]string{}
	maps.Copy(all, b.Aliases)
	if b.Adapter != "" {
		all[AdapterKey] = b.Adapter
	}
	if len(b.Frozen) > 0 {
		all[FrozenKey] = b.Frozen.String()
	}
	return all
}

// CheckAdapter returns an error for what is no adapter's configuration: a JSON object of at most MaxAdapter bytes.
func CheckAdapter(text string) error {
	var fields map[string]json.RawMessage
	if len(text) > MaxAdapter {
		return fmt.Errorf("adapter: %d bytes of configuration, at most %d", len(text), MaxAdapter)
	}
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		return fmt.Errorf("adapter: its configuration is no JSON object: %.80q", text)
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
