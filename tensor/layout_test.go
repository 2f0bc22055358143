package tensor_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// mixed is a small layout with all types, an odd number of 16-bit elements before 32-bit
// ones, a scalar and a tensor without elements.
var mixed = tensor.Layout{Tensors: []tensor.Tensor{
	{Name: "a.bias", DType: tensor.F16, Shape: []uint64{3}},
	{Name: "a.weight", DType: tensor.F32, Shape: []uint64{3, 5}},
	{Name: "b", DType: tensor.BF16, Shape: []uint64{2, 1, 7}},
	{Name: "empty", DType: tensor.F32, Shape: []uint64{4, 0}},
	{Name: "scale", DType: tensor.F32, Shape: []uint64{}},
	{Name: "ünïcode <&> \"\n", DType: tensor.BF16, Shape: []uint64{9}},
}}

func TestLayoutValidate(t *testing.T) {
	of := func(name string, d tensor.DType, shape ...uint64) tensor.Tensor {
		return tensor.Tensor{Name: name, DType: d, Shape: shape}
	}
	long := strings.Repeat("n", tensor.MaxName)
	many := make([]tensor.Tensor, tensor.MaxTensors+1)
	for i := range many {
		many[i] = of(fmt.Sprintf("%06d", i), tensor.F16, 1)
	}
	wordy := slices.Clone(many[:8000])
	for i := range wordy {
		wordy[i].Name += long[6:]
	}
	for name, c := range map[string]struct {
		tensors []tensor.Tensor
		bad     string // part of the error, if any
	}{
		"mixed":            {mixed.Tensors, ""},
		"scalar":           {[]tensor.Tensor{of("s", tensor.F32)}, ""},
		"long name":        {[]tensor.Tensor{of(long, tensor.F32)}, ""},
		"most bytes":       {[]tensor.Tensor{of("x", tensor.F32, tensor.MaxBytes/4)}, ""},
		"none":             {nil, "no elements"},
		"no elements":      {[]tensor.Tensor{of("x", tensor.F32, 3, 0)}, "no elements"},
		"no name":          {[]tensor.Tensor{of("", tensor.F32, 1)}, "name"},
		"longer name":      {[]tensor.Tensor{of(long+"n", tensor.F32, 1)}, "name"},
		"not UTF-8":        {[]tensor.Tensor{of("\xff", tensor.F32, 1)}, "name"},
		"reserved":         {[]tensor.Tensor{of("__metadata__", tensor.F32, 1)}, "reserved"},
		"other type":       {[]tensor.Tensor{of("x.y", "C64", 1)}, `tensor "x.y": not valid: dtype "C64"`},
		"rank":             {[]tensor.Tensor{of("x", tensor.F32, slices.Repeat([]uint64{1}, tensor.MaxRank+1)...)}, `tensor "x"`},
		"overflow":         {[]tensor.Tensor{of("x", tensor.F32, 1<<33, 1<<33)}, `tensor "x"`},
		"overflow, then 0": {[]tensor.Tensor{of("x", tensor.F32, math.MaxUint64, math.MaxUint64, 0)}, `tensor "x"`},
		"too many bytes":   {[]tensor.Tensor{of("x", tensor.F32, tensor.MaxBytes/4), of("y", tensor.F16)}, `tensor "y"`},
		"descending":       {[]tensor.Tensor{of("b", tensor.F32), of("a", tensor.F32)}, `tensor "a" after "b"`},
		"twice":            {[]tensor.Tensor{of("b", tensor.F32), of("b", tensor.F32)}, `tensor "b" after "b"`},
		"too many":         {many, "too many tensors: 65537"},
		"too large":        {wordy, "take 8408012 bytes"},
	} {
		l := tensor.Layout{Tensors: c.tensors}
		err := l.Validate()
		if c.bad == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if back, err := tensor.DecodeLayout(l.Block().Data); err != nil || back.Block().CID != l.Block().CID {
				t.Errorf("%s: decodes to %+v, %v", name, back, err)
			}
			continue
		}
		if !errors.Is(err, tensor.ErrInvalid) || !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %v; want %q", name, err, c.bad)
		}
	}
}

// layouts draws small valid layouts with mixed types.
func layouts() *rapid.Generator[tensor.Layout] {
	return rapid.Custom(func(r *rapid.T) tensor.Layout {
		var l tensor.Layout
		for i := range rapid.IntRange(1, 6).Draw(r, "tensors") {
			l.Tensors = append(l.Tensors, tensor.Tensor{
				Name:  fmt.Sprint("t", i),
				DType: rapid.SampledFrom([]tensor.DType{tensor.F32, tensor.F16, tensor.BF16}).Draw(r, "type"),
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
		var want []tensor.Shard
		element, offset := uint64(0), uint64(0)
		for _, x := range l.Tensors {
			for range x.Elements() {
				if element%size == 0 {
					want = append(want, tensor.Shard{Index: len(want), First: element, Offset: offset})
				}
				s := &want[len(want)-1]
				s.Elements++
				s.Bytes += x.DType.Size()
				if n := len(s.Segments); n > 0 && s.Segments[n-1].DType == x.DType {
					s.Segments[n-1].Elements++
				} else {
					s.Segments = append(s.Segments, tensor.Segment{DType: x.DType, Elements: 1})
				}
				element++
				offset += uint64(x.DType.Size())
			}
		}
		c, err := l.Cut(size)
		if err != nil || c.Len() != len(want) || c.Bytes() != offset || c.ShardElements() != size || l.Elements() != element || l.Bytes() != offset {
			r.Fatalf("cut into %d shards of %d bytes, %v; want %d of %d", c.Len(), c.Bytes(), err, len(want), offset)
		}
		for i, w := range want {
			one, err := l.Shard(i, size)
			if got := fmt.Sprint(c.Shard(i)); err != nil || got != fmt.Sprint(w) || got != fmt.Sprint(one) {
				r.Fatalf("shard %d: %s and %v, %v; want %v", i, got, one, err, w)
			}
		}
		for _, i := range []int{-1, len(want)} {
			if _, err := l.Shard(i, size); !errors.Is(err, tensor.ErrInvalid) {
				r.Fatalf("shard %d of %d: %v", i, len(want), err)
			}
		}
	})
}

func TestCutLimits(t *testing.T) {
	l := func(d tensor.DType, n uint64) tensor.Layout {
		return tensor.Layout{Tensors: []tensor.Tensor{{Name: "x", DType: d, Shape: []uint64{n}}}}
	}
	for name, c := range map[string]struct {
		layout tensor.Layout
		size   uint64
		shards int // 0 if it must be refused
		bytes  int // of shard 0
	}{
		"default F32":   {l(tensor.F32, 1<<20), 0, 4, 1 << 20},
		"default F16":   {l(tensor.F16, 1<<20), 0, 2, 1 << 20},
		"default mixed": {tensor.Layout{Tensors: []tensor.Tensor{{Name: "a", DType: tensor.BF16, Shape: []uint64{1 << 20}}, {Name: "b", DType: tensor.F32}}}, 0, 5, 1 << 19},
		"largest":       {l(tensor.F32, 1<<21), block.MaxSize / 4, 2, block.MaxSize},
		"too large":     {l(tensor.F32, 1<<21), block.MaxSize/4 + 1, 0, 0},
		"huge":          {l(tensor.F16, 8), math.MaxUint64, 0, 0},
		"most":          {l(tensor.F16, tensor.MaxShards), 1, tensor.MaxShards, 2},
		"too many":      {l(tensor.F16, tensor.MaxShards+1), 1, 0, 0},
		"no elements":   {l(tensor.F32, 0), 1, 0, 0},
		"no type":       {l("F8", 5), 1, 0, 0},
	} {
		if cut, err := c.layout.Cut(c.size); err == nil && cut.Len() != c.shards {
			t.Errorf("%s: %d shards, want %d", name, cut.Len(), c.shards)
		}
		s, err := c.layout.Shard(0, c.size)
		if (err != nil) != (c.shards == 0) || s.Bytes != c.bytes || err != nil && !errors.Is(err, tensor.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func FuzzDecodeLayout(f *testing.F) {
	f.Add(mixed.Block().Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := tensor.DecodeLayout(data)
		if err != nil {
			return
		}
		if l.Bytes() == 0 || l.Bytes() > tensor.MaxBytes || l.Block().CID != block.Sum(block.DagCBOR, data) {
			t.Fatalf("%d bytes, %+v", l.Bytes(), l)
		}
		if c, err := l.Cut(0); err == nil {
			last := c.Shard(c.Len() - 1)
			if last.Offset+uint64(last.Bytes) != l.Bytes() {
				t.Fatalf("last shard %+v of %d bytes", last, l.Bytes())
			}
		}
		if h, err := tensor.ReadHeader(headerOnly{l.SafetensorsHeader()}, int64(len(l.SafetensorsHeader()))+int64(l.Bytes())); err != nil || !h.Canonical() {
			// JSON has no bytes for some names, such as surrogates; UTF-8 has none either.
			t.Fatalf("its header: %v", err)
		} else if back, err := h.Layout(); err != nil || back.Block().CID != l.Block().CID {
			t.Fatalf("its header says %+v, %v", back, err)
		}
	})
}
