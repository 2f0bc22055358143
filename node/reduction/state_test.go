package reduction

import (
	"bytes"
	"errors"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

func slotCID(name string) block.CID { return block.Sum(block.DagCBOR, []byte(name)) }

func TestDecodeState(t *testing.T) {
	good := State{map[string]block.CID{"m": slotCID("m"), "v": slotCID("v")}}
	got, err := DecodeState(good.Block().Data)
	if err != nil || got.Block().CID != good.Block().CID {
		t.Errorf("a state comes back as %v, %v", got, err)
	}
	many := State{map[string]block.CID{}}
	for i := range maxSlots + 1 {
		many.Slots[string(rune('a'+i))] = slotCID("v")
	}
	for name, data := range map[string][]byte{
		"no map":      {0x80},
		"no slots":    State{map[string]block.CID{}}.Block().Data,
		"too many":    many.Block().Data,
		"no name":     State{map[string]block.CID{"": slotCID("v")}}.Block().Data,
		"no manifest": State{map[string]block.CID{"v": block.Sum(block.Raw, nil)}}.Block().Data,
		"undefined":   State{map[string]block.CID{"v": {}}}.Block().Data,
		"cut":         good.Block().Data[:20],
	} {
		if _, err := DecodeState(data); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(State{map[string]block.CID{"v": slotCID("v")}}.Block().Data)
	f.Add([]byte{0xa1, 0x65, 's', 'l', 'o', 't', 's', 0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeState(data)
		if err == nil && !bytes.Equal(s.Block().Data, data) {
			t.Errorf("%x is read as %v, whose block is %x", data, s, s.Block().Data)
		}
	})
}

// TestCheckState: a model in two bytes an element may be cut so that its state's shards are too large for a block.
func TestCheckState(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.BF16, Shape: []uint64{64}}}}
	most := uint64(tensor.MaxShardBytes / 4)
	for _, c := range []struct {
		slots []string
		shard uint64
		ok    bool
	}{{nil, 2 * most, true}, {[]string{"v"}, most, true}, {[]string{"v"}, most + 1, false}} {
		if err := CheckState(c.slots, l, c.shard); (err == nil) != c.ok {
			t.Errorf("%v, shards of %d elements: %v", c.slots, c.shard, err)
		}
	}
}
