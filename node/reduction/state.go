package reduction

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// maxSlots is the most slots that an outer step's state has.
const maxSlots = 16

// State is what an outer step keeps from round to round: in each of its slots an artifact with a float32 for each element of
// the model, cut as the model is. A commit names it by the CID of its block.
type State struct {
	Slots map[string]block.CID `cbor:"slots" json:"slots"` // manifests, by the slot's name
}

// Block returns the state as a block.
func (s State) Block() block.Block { return block.Of(s) }

// DecodeState reads a state's block. Its errors are ledger.ErrMalformed.
func DecodeState(data []byte) (s State, err error) {
	if err := block.Decode(data, &s); err != nil {
		return State{}, fmt.Errorf("%w: outer step's state: %w", ledger.ErrMalformed, err)
	}
	if len(s.Slots) == 0 || len(s.Slots) > maxSlots {
		return State{}, fmt.Errorf("%w: outer step's state: %d slots, 1 to %d", ledger.ErrMalformed, len(s.Slots), maxSlots)
	}
	for slot, manifest := range s.Slots {
		if !ledger.ValidName(slot) || manifest.Codec() != block.DagCBOR {
			return State{}, fmt.Errorf("%w: outer step's state: slot %.40q is %s, no manifest", ledger.ErrMalformed, slot, manifest)
		}
	}
	return s, nil
}

// StateLayout returns the layout of a state's slots: the model's, in F32.
func StateLayout(model tensor.Layout) tensor.Layout {
	l := tensor.Layout{Tensors: make([]tensor.Tensor, len(model.Tensors))}
	for i, t := range model.Tensors {
		t.DType = tensor.F32
		l.Tensors[i] = t
	}
	return l
}

// CheckState says why the strategy's state cannot be kept for a model of this layout, cut into shards of so many elements: a
// slot may be larger than the model.
func CheckState(slots []string, model tensor.Layout, shardElements uint64) error {
	if len(slots) == 0 {
		return nil
	}
	l := StateLayout(model)
	err := l.Validate()
	if err == nil {
		_, err = l.Cut(shardElements)
	}
	if err != nil {
		return fmt.Errorf("the outer step's state: %w", err)
	}
	return nil
}
