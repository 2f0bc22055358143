package blockstore_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/tensor"
)

func TestManifestLargest(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "x", DType: tensor.F16, Shape: []uint64{tensor.MaxShards}}}}
	m := blockstore.Manifest{Layout: l.Block().CID, Codec: tensor.Plain, ShardElements: 1, Bytes: l.Bytes(), Shards: make([]block.CID, tensor.MaxShards)}
	for i := range m.Shards {
		m.Shards[i] = block.Sum(block.Raw, []byte{byte(i), byte(i >> 8)})
	}
	b := m.Block()
	back, err := blockstore.DecodeManifest(b.Data)
	if err != nil || len(b.Data) > block.MaxSize || back.Validate(l) != nil || back.Block().CID != b.CID {
		t.Fatalf("%d bytes, %v, %v", len(b.Data), err, back.Validate(l))
	}
}

func TestManifestValidate(t *testing.T) {
	a := blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 1)
	if err := a.Manifest.Validate(a.Layout); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*blockstore.Manifest){
		"codec":          func(m *blockstore.Manifest) { m.Codec = "zip" },
		"layout":         func(m *blockstore.Manifest) { m.Layout = block.Of("other").CID },
		"raw layout":     func(m *blockstore.Manifest) { m.Layout = m.Shards[0] },
		"no layout":      func(m *blockstore.Manifest) { m.Layout = block.CID{} },
		"shard elements": func(m *blockstore.Manifest) { m.ShardElements = 0 },
		"fewer elements": func(m *blockstore.Manifest) { m.ShardElements = 6 },
		"large shards":   func(m *blockstore.Manifest) { m.ShardElements = 1 << 62 },
		"bytes":          func(m *blockstore.Manifest) { m.Bytes-- },
		"fewer shards":   func(m *blockstore.Manifest) { m.Shards = m.Shards[:len(m.Shards)-1] },
		"no shards":      func(m *blockstore.Manifest) { m.Shards = nil },
		"cbor shard":     func(m *blockstore.Manifest) { m.Shards[1] = m.Layout },
		"undefined":      func(m *blockstore.Manifest) { m.Shards[1] = block.CID{} },
		"too many": func(m *blockstore.Manifest) {
			m.Shards = slices.Repeat(m.Shards[:1], tensor.MaxShards+1)
		},
	} {
		m := a.Manifest
		m.Shards = slices.Clone(m.Shards)
		change(&m)
		if err := m.Validate(a.Layout); !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Manifest.Validate(tensor.Layout{}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("no layout: %v", err)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	a := blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 1)
	f.Add(a.Manifest.Block().Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := blockstore.DecodeManifest(data)
		if err == nil && m.Block().CID != block.Sum(block.DagCBOR, data) {
			t.Fatalf("%+v", m)
		}
		if err == nil && m.Validate(a.Layout) == nil && (len(m.Shards) == 0 || m.Bytes != a.Layout.Bytes()) {
			t.Fatalf("valid: %+v", m)
		}
	})
}
