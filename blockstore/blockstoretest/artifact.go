package blockstoretest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

// Artifact is an artifact in memory.
type Artifact struct {
	Layout   tensor.Layout
	Manifest blockstore.Manifest
	CID      block.CID
	Data     []byte // canonical
	Shards   []block.Block
}

// Mixed is a small layout with all types, an odd number of 16-bit elements before 32-bit
// ones, a scalar and a tensor without elements.
var Mixed = tensor.Layout{Tensors: []tensor.Tensor{
	{Name: "a.bias", DType: tensor.F16, Shape: []uint64{3}},
	{Name: "a.weight", DType: tensor.F32, Shape: []uint64{3, 5}},
	{Name: "b", DType: tensor.BF16, Shape: []uint64{2, 1, 7}},
	{Name: "empty", DType: tensor.F32, Shape: []uint64{4, 0}},
	{Name: "scale", DType: tensor.F32, Shape: []uint64{}},
	{Name: "ünïcode <&> \"\n", DType: tensor.BF16, Shape: []uint64{9}},
}}

// NewArtifact makes an artifact of finite elements that depend on the seed only.
func NewArtifact(l tensor.Layout, shardElements, seed uint64) Artifact {
	random := rand.New(rand.NewPCG(seed, 0))
	var data []byte
	for _, t := range l.Tensors {
		for range t.Elements() {
			at := len(data)
			data = append(data, make([]byte, t.DType.Size())...)
			tensor.Encode(data[at:], []float64{random.NormFloat64()}, t.DType)
		}
	}
	return Cut(l, shardElements, data)
}

// CutOf cuts a layout.
func CutOf(l tensor.Layout, shardElements uint64) *tensor.Cut {
	cut, err := l.Cut(shardElements)
	if err != nil {
		panic(err) // the test's own layout
	}
	return cut
}

// Cut makes an artifact of canonical data.
func Cut(l tensor.Layout, shardElements uint64, data []byte) Artifact {
	cut := CutOf(l, shardElements)
	a := Artifact{Layout: l, Data: data}
	a.Manifest = blockstore.Manifest{
		Layout: l.Block().CID, Codec: tensor.Plain,
		ShardElements: cut.ShardElements(), Bytes: uint64(len(data)),
	}
	for i := range cut.Len() {
		s := cut.Shard(i)
		b := block.New(block.Raw, data[s.Offset:s.Offset+uint64(s.Bytes)])
		a.Shards = append(a.Shards, b)
		a.Manifest.Shards = append(a.Manifest.Shards, b.CID)
	}
	a.CID = a.Manifest.Block().CID
	return a
}

// wide returns the artifact of the same values in F32.
func (a Artifact) wide() Artifact {
	l := tensor.Layout{Tensors: slices.Clone(a.Layout.Tensors)}
	var data []byte
	from := a.Data
	for i, t := range l.Tensors {
		values := make([]float64, t.Elements())
		tensor.Decode(values, from[:t.Bytes()], t.DType)
		from = from[t.Bytes():]
		at := len(data)
		data = append(data, make([]byte, 4*len(values))...)
		tensor.Encode(data[at:], values, tensor.F32)
		l.Tensors[i].DType = tensor.F32
	}
	return Cut(l, a.Manifest.ShardElements, data)
}

// Unique returns the number of different shards.
func (a Artifact) Unique() int {
	seen := make(map[block.CID]bool)
	for _, s := range a.Shards {
		seen[s.CID] = true
	}
	return len(seen)
}

// Store puts the artifact into a store.
func (a Artifact) Store(t testing.TB, s blockstore.Artifacts) {
	t.Helper()
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range a.Shards {
		if err := w.WriteShard(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// File writes the artifact as a trainer might: a safetensors file with tensors in the given
// order (canonical if nil) and metadata of its own. It returns the file's path.
func (a Artifact) File(t testing.TB, order []int) string {
	t.Helper()
	type entry struct {
		DType   tensor.DType `json:"dtype"`
		Shape   []uint64     `json:"shape"`
		Offsets [2]int       `json:"data_offsets"`
	}
	offsets := []int{0}
	for _, t := range a.Layout.Tensors {
		offsets = append(offsets, offsets[len(offsets)-1]+int(t.Bytes()))
	}
	if order == nil {
		for i := range a.Layout.Tensors {
			order = append(order, i)
		}
	}
	header := map[string]any{"__metadata__": map[string]string{"made by": "a trainer"}}
	var data []byte
	for _, i := range order {
		tensor := a.Layout.Tensors[i]
		begin := len(data)
		data = append(data, a.Data[offsets[i]:offsets[i+1]]...)
		header[tensor.Name] = entry{tensor.DType, tensor.Shape, [2]int{begin, len(data)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, bytes.Repeat([]byte(" "), (8-len(text)%8)%8)...)
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	path := filepath.Join(t.TempDir(), "update.safetensors")
	if err := os.WriteFile(path, append(append(file, text...), data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
