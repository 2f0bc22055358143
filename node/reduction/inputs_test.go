package reduction

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// held is a source: what a store has. It keeps what was asked of it.
type held struct {
	*blockstore.Memory
	asked []As
	bad   func(i int, cause error) ([]byte, error)
}

func (h *held) Open(p Part) (*Reader, error) {
	h.asked = append(h.asked, p.As)
	a, err := h.Memory.Open(p.Manifest)
	return &Reader{a, h.bad}, err
}

func (h *held) State(name block.CID) (State, error) {
	data, err := h.Get(name)
	if err != nil {
		return State{}, err
	}
	return DecodeState(data)
}

// two floats to a shard.
var small = tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{4}}}}

func (h *held) add(t *testing.T, values ...float64) block.CID {
	data := make([]byte, 16)
	tensor.Encode(data, values, tensor.F32)
	a := blockstoretest.Cut(small, 2, data)
	a.Store(t, h.Memory)
	return a.CID
}

// TestOpen: the base is opened where it is read, and whatever is missing is told at once.
func TestOpen(t *testing.T) {
	h := &held{Memory: blockstore.NewMemory(blockstore.Options{})}
	base, first, second := h.add(t, 1, 2, 3, 4), h.add(t, 2, 2, 2, 2), h.add(t, 4, 4, 4, 4)
	nesterov, err := aggregate.NewStrategy("", "nesterov", nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed := []ledger.Input{{Site: "a", Manifest: first, Weight: 1}, {Site: "b", Manifest: second, Weight: 1}}
	late := []ledger.Input{sealed[0], {Site: "b", Manifest: second, Weight: 1, Base: base}}
	lost := []ledger.Input{sealed[0], {Site: "b", Manifest: slotCID("update"), Weight: 1, Base: slotCID("base")}}
	state := State{map[string]block.CID{"v": base, "gone": slotCID("slot")}}.Block()
	if err := h.Put(state); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		round   Round
		asked   []As
		missing []As
	}{
		"mean":            {Round{Base: slotCID("none"), Sealed: sealed}, []As{Update, Update}, nil},
		"late":            {Round{Base: base, Sealed: late}, []As{Update, Update, UpdateBase, Base}, nil},
		"changes":         {Round{Strategy: nesterov, Base: base, Sealed: sealed}, []As{Update, Update, Base}, nil},
		"state":           {Round{Sealed: sealed, State: state.CID}, []As{Update, Update, Slot, Slot}, []As{Slot}},
		"state's block":   {Round{Sealed: sealed, State: slotCID("state")}, []As{Update, Update}, []As{StateBlock}},
		"updates missing": {Round{Base: slotCID("round"), Sealed: lost}, []As{Update, Update, UpdateBase, Base}, []As{Update, UpdateBase, Base}},
	} {
		h.asked = nil
		in, err := Open(c.round, h)
		var missing *MissingError
		var parts []As
		if errors.As(err, &missing) && errors.Is(err, blockstore.ErrNotFound) {
			for _, p := range missing.Parts {
				parts = append(parts, p.As)
			}
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(h.asked, c.asked) || !slices.Equal(parts, c.missing) {
			t.Errorf("%s: asks for %v, misses %v; want %v and %v", name, h.asked, parts, c.asked, c.missing)
		}
		if err == nil {
			in.Close()
		}
	}
	if _, err := Open(Round{}, h); !errors.Is(err, aggregate.ErrInputs) {
		t.Errorf("no updates: %v", err)
	}
}

// TestUnfit: an update is cut as the base of its run, and is not to blame where that cannot be read.
func TestUnfit(t *testing.T) {
	spec, base, lost := &ledger.RunSpec{Base: slotCID("base")}, blockstore.Manifest{ShardElements: 2}, errors.New("lost")
	for elements, want := range map[uint64]string{2: "", 3: "shards of 3 elements, the base has 2"} {
		why, err := Unfit(spec, blockstore.Manifest{ShardElements: elements}, func(manifest block.CID) (blockstore.Manifest, error) {
			if manifest != spec.Base {
				t.Errorf("reads %s", manifest)
			}
			return base, nil
		})
		if why != want || err != nil {
			t.Errorf("%d elements: %q, %v; want %q", elements, why, err, want)
		}
	}
	if why, err := Unfit(spec, base, func(block.CID) (blockstore.Manifest, error) { return blockstore.Manifest{}, lost }); why != "" || !errors.Is(err, lost) {
		t.Errorf("the base is lost: %q, %v", why, err)
	}
}

// TestBad: an update that is not finite is named with its site and its shard, and other errors blame nobody.
func TestBad(t *testing.T) {
	h := &held{Memory: blockstore.NewMemory(blockstore.Options{})}
	data := make([]byte, 16)
	copy(data[8:], []byte{0, 0, 0xc0, 0x7f})
	spoilt := blockstoretest.Cut(small, 2, data)
	spoilt.Store(t, h.Memory)
	in, err := Open(Round{Sealed: []ledger.Input{{Site: "a", Manifest: h.add(t, 1, 1, 1, 1), Weight: 1}, {Site: "b", Manifest: spoilt.CID, Weight: 1}}}, h)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, err = aggregate.Reduce(context.Background(), in.Job, aggregate.Sink{Model: func(int, []byte) error { return nil }})
	if bad := in.Bad(err); bad == nil || bad.Site != peer.ID("b") || bad.Shard != spoilt.Manifest.Shards[1] || bad.Err == "" {
		t.Errorf("%v blames %+v", err, bad)
	}
	if bad := in.Bad(context.Canceled); bad != nil {
		t.Errorf("a cancelled reduction blames %+v", bad)
	}
}

// TestReader: a shard that is not as its CID says is never handed out, but for what the source has in its place.
func TestReader(t *testing.T) {
	h := &held{Memory: blockstore.NewMemory(blockstore.Options{})}
	a, err := h.Memory.Open(h.add(t, 1, 2, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.Manifest.Shards = []block.CID{a.Manifest.Shards[0], a.Manifest.Shards[0]} // as if its second shard had gone bad
	r := &Reader{Artifact: a}
	if _, err := r.ReadShard(0, nil); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadShard(1, nil); !errors.Is(err, block.ErrMismatch) {
		t.Errorf("a bad shard: %v", err)
	}
	r.Bad = func(i int, cause error) ([]byte, error) {
		if i != 1 || !errors.Is(cause, block.ErrMismatch) {
			t.Errorf("shard %d: %v", i, cause)
		}
		return []byte("good"), nil
	}
	if data, err := r.ReadShard(1, nil); string(data) != "good" || err != nil {
		t.Errorf("in its place: %q, %v", data, err)
	}
}
