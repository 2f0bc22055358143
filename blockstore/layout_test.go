package blockstore_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

func TestLayoutValidate(t *testing.T) {
	tensor := func(name string, d blockstore.DType, shape ...uint64) blockstore.Tensor {
		return blockstore.Tensor{Name: name, DType: d, Shape: shape}
	}
	long := strings.Repeat("n", blockstore.MaxName)
	many := make([]blockstore.Tensor, blockstore.MaxTensors+1)
	for i := range many {
		many[i] = tensor(fmt.Sprintf("%06d", i), blockstore.F16, 1)
	}
	wordy := slices.Clone(many[:8000])
	for i := range wordy {
		wordy[i].Name += long[6:]
	}
	for name, c := range map[string]struct {
		tensors []blockstore.Tensor
		bad     string // part of the error, if any
	}{
		"mixed":            {blockstoretest.Mixed.Tensors, ""},
		"scalar":           {[]blockstore.Tensor{tensor("s", blockstore.F32)}, ""},
		"long name":        {[]blockstore.Tensor{tensor(long, blockstore.F32)}, ""},
		"most bytes":       {[]blockstore.Tensor{tensor("x", blockstore.F32, blockstore.MaxBytes/4)}, ""},
		"none":             {nil, "no elements"},
		"no elements":      {[]blockstore.Tensor{tensor("x", blockstore.F32, 3, 0)}, "no elements"},
		"no name":          {[]blockstore.Tensor{tensor("", blockstore.F32, 1)}, "name"},
		"longer name":      {[]blockstore.Tensor{tensor(long+"n", blockstore.F32, 1)}, "name"},
		"not UTF-8":        {[]blockstore.Tensor{tensor("\xff", blockstore.F32, 1)}, "name"},
		"reserved":         {[]blockstore.Tensor{tensor("__metadata__", blockstore.F32, 1)}, "reserved"},
		"other type":       {[]blockstore.Tensor{tensor("x.y", "F64", 1)}, `tensor "x.y": not valid: dtype "F64"`},
		"rank":             {[]blockstore.Tensor{tensor("x", blockstore.F32, slices.Repeat([]uint64{1}, blockstore.MaxRank+1)...)}, `tensor "x"`},
		"overflow":         {[]blockstore.Tensor{tensor("x", blockstore.F32, 1<<33, 1<<33)}, `tensor "x"`},
		"overflow, then 0": {[]blockstore.Tensor{tensor("x", blockstore.F32, math.MaxUint64, math.MaxUint64, 0)}, `tensor "x"`},
		"too many bytes":   {[]blockstore.Tensor{tensor("x", blockstore.F32, blockstore.MaxBytes/4), tensor("y", blockstore.F16)}, `tensor "y"`},
		"descending":       {[]blockstore.Tensor{tensor("b", blockstore.F32), tensor("a", blockstore.F32)}, `tensor "a" after "b"`},
		"twice":            {[]blockstore.Tensor{tensor("b", blockstore.F32), tensor("b", blockstore.F32)}, `tensor "b" after "b"`},
		"too many":         {many, "65537 tensors"},
		"too large":        {wordy, "encoded"},
	} {
		l := blockstore.Layout{Tensors: c.tensors}
		err := l.Validate()
		if c.bad == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if back, err := blockstore.DecodeLayout(l.Block().Data); err != nil || back.Block().CID != l.Block().CID {
				t.Errorf("%s: decodes to %+v, %v", name, back, err)
			}
			continue
		}
		if !errors.Is(err, blockstore.ErrInvalid) || !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %v; want %q", name, err, c.bad)
		}
	}
}

// layouts draws small valid layouts with mixed types.
func layouts() *rapid.Generator[blockstore.Layout] {
	return rapid.Custom(func(r *rapid.T) blockstore.Layout {
		var l blockstore.Layout
		for i := range rapid.IntRange(1, 6).Draw(r, "tensors") {
			l.Tensors = append(l.Tensors, blockstore.Tensor{
				Name:  fmt.Sprint("t", i),
				DType: rapid.SampledFrom([]blockstore.DType{blockstore.F32, blockstore.F16, blockstore.BF16}).Draw(r, "type"),
				Shape: rapid.SliceOfN(rapid.Uint64Range(0, 5), 0, 3).Draw(r, "shape"),
			})
		}
		if l.Elements() == 0 {
			l.Tensors[0].Shape = []uint64{1}
		}
		return l
	})
}

// TestCut compares with walking all elements one by one.
func TestCut(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := layouts().Draw(r, "layout")
		size := rapid.Uint64Range(1, 20).Draw(r, "elements")
		var want []blockstore.Shard
		element, offset := uint64(0), uint64(0)
		for _, tensor := range l.Tensors {
			for range tensor.Elements() {
				if element%size == 0 {
					want = append(want, blockstore.Shard{Index: len(want), First: element, Offset: offset})
				}
				s := &want[len(want)-1]
				s.Elements++
				s.Bytes += tensor.DType.Size()
				if n := len(s.Segments); n > 0 && s.Segments[n-1].DType == tensor.DType {
					s.Segments[n-1].Elements++
				} else {
					s.Segments = append(s.Segments, blockstore.Segment{DType: tensor.DType, Elements: 1})
				}
				element++
				offset += uint64(tensor.DType.Size())
			}
		}
		c, err := l.Cut(size)
		if err != nil || c.Len() != len(want) || c.Bytes() != offset || c.ShardElements() != size || l.Elements() != element || l.Bytes() != offset || l.Shards(size) != len(want) {
			r.Fatalf("cut into %d shards of %d bytes, %v; want %d of %d", c.Len(), c.Bytes(), err, len(want), offset)
		}
		for i, w := range want {
			one, err := l.Shard(i, size)
			if got := fmt.Sprint(c.Shard(i)); err != nil || got != fmt.Sprint(w) || got != fmt.Sprint(one) {
				r.Fatalf("shard %d: %s and %v, %v; want %v", i, got, one, err, w)
			}
		}
		for _, i := range []int{-1, len(want)} {
			if _, err := l.Shard(i, size); !errors.Is(err, blockstore.ErrForeign) {
				r.Fatalf("shard %d of %d: %v", i, len(want), err)
			}
		}
	})
}

func TestCutLimits(t *testing.T) {
	l := func(d blockstore.DType, n uint64) blockstore.Layout {
		return blockstore.Layout{Tensors: []blockstore.Tensor{{Name: "x", DType: d, Shape: []uint64{n}}}}
	}
	for name, c := range map[string]struct {
		layout blockstore.Layout
		size   uint64
		shards int // 0 if it must be refused
		bytes  int // of shard 0
	}{
		"default F32":   {l(blockstore.F32, 1<<20), 0, 4, 1 << 20},
		"default F16":   {l(blockstore.F16, 1<<20), 0, 2, 1 << 20},
		"default mixed": {blockstore.Layout{Tensors: []blockstore.Tensor{{Name: "a", DType: blockstore.BF16, Shape: []uint64{1 << 20}}, {Name: "b", DType: blockstore.F32}}}, 0, 5, 1 << 19},
		"largest":       {l(blockstore.F32, 1<<21), block.MaxSize / 4, 2, block.MaxSize},
		"too large":     {l(blockstore.F32, 1<<21), block.MaxSize/4 + 1, 0, 0},
		"huge":          {l(blockstore.F16, 8), math.MaxUint64, 0, 0},
		"most":          {l(blockstore.F16, blockstore.MaxShards), 1, blockstore.MaxShards, 2},
		"too many":      {l(blockstore.F16, blockstore.MaxShards+1), 1, 0, 0},
		"no elements":   {l(blockstore.F32, 0), 1, 0, 0},
		"no type":       {l("I8", 5), 1, 0, 0},
	} {
		if n := c.layout.Shards(c.size); n != c.shards {
			t.Errorf("%s: %d shards, want %d", name, n, c.shards)
		}
		s, err := c.layout.Shard(0, c.size)
		if (err != nil) != (c.shards == 0) || s.Bytes != c.bytes || err != nil && !errors.Is(err, blockstore.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestManifestLargest(t *testing.T) {
	l := blockstore.Layout{Tensors: []blockstore.Tensor{{Name: "x", DType: blockstore.F16, Shape: []uint64{blockstore.MaxShards}}}}
	m := blockstore.Manifest{Layout: l.Block().CID, Codec: blockstore.Plain, ShardElements: 1, Bytes: l.Bytes(), Shards: make([]block.CID, blockstore.MaxShards)}
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
			m.Shards = slices.Repeat(m.Shards[:1], blockstore.MaxShards+1)
		},
	} {
		m := a.Manifest
		m.Shards = slices.Clone(m.Shards)
		change(&m)
		if err := m.Validate(a.Layout); !errors.Is(err, blockstore.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Manifest.Validate(blockstore.Layout{}); !errors.Is(err, blockstore.ErrInvalid) {
		t.Errorf("no layout: %v", err)
	}
}

func FuzzDecodeLayout(f *testing.F) {
	f.Add(blockstoretest.Mixed.Block().Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := blockstore.DecodeLayout(data)
		if err != nil {
			return
		}
		if l.Bytes() == 0 || l.Bytes() > blockstore.MaxBytes || l.Block().CID != block.Sum(block.DagCBOR, data) {
			t.Fatalf("%d bytes, %+v", l.Bytes(), l)
		}
		if c, err := l.Cut(0); err == nil {
			last := c.Shard(c.Len() - 1)
			if last.Offset+uint64(last.Bytes) != l.Bytes() {
				t.Fatalf("last shard %+v of %d bytes", last, l.Bytes())
			}
		}
		if h, err := blockstore.ReadHeader(headerOnly{l.SafetensorsHeader()}, int64(len(l.SafetensorsHeader()))+int64(l.Bytes())); err != nil || !h.Canonical() {
			// JSON has no bytes for some names, such as surrogates; UTF-8 has none either.
			t.Fatalf("its header: %v", err)
		} else if back, err := h.Layout(); err != nil || back.Block().CID != l.Block().CID {
			t.Fatalf("its header says %+v, %v", back, err)
		}
	})
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
