package tensor_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/tensor"
)

// headerOnly is a file whose data nobody reads.
type headerOnly struct{ header []byte }

func (h headerOnly) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(h.header).ReadAt(p, off)
}

// parse reads a header's JSON before size bytes of data.
func parse(text string, size int) (tensor.Header, error) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	b = append(append(b, text...), make([]byte, size)...)
	return tensor.ReadHeader(bytes.NewReader(b), int64(len(b)))
}

func TestReadHeader(t *testing.T) {
	h, err := parse(`{ "b":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"},
		"__metadata__":{"format":"pt","made by":"hand"},
		"a":{"dtype":"BF16","shape":[1,3],"data_offsets":[8,14]},"e":{"dtype":"F16","shape":[0],"data_offsets":[8,8]}}  `, 14)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range h.Tensors {
		names = append(names, x.Name)
	}
	if fmt.Sprint(names) != "[b e a]" || h.Metadata["made by"] != "hand" || h.Canonical() {
		t.Errorf("%+v", h)
	}
	a, ok := h.Tensor("a")
	if !ok || a.Offset != 8 || a.Elements() != 3 || a.DType != tensor.BF16 {
		t.Errorf("a: %+v, %t", a, ok)
	}
	if _, ok := h.Tensor("c"); ok {
		t.Error("found what is not there")
	}
	l, err := h.Layout()
	if err != nil || l.Tensors[0].Name != "a" || len(l.Tensors) != 3 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	x := func(dtype, shape, offsets string) string {
		return `{"x":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}}`
	}
	two := func(a, b string) string {
		return `{"a":{"dtype":"F16","shape":[4],"data_offsets":` + a + `},"b":{"dtype":"F16","shape":[4],"data_offsets":` + b + `}}`
	}
	for name, c := range map[string]struct {
		text string
		size int
		hint string
	}{
		"empty":            {"", 0, "begin"},
		"no object":        {"[]", 0, "begin"},
		"space before":     {" {}", 0, "begin"},
		"cut":              {`{"x":`, 0, "EOF"},
		"more":             {`{} {}`, 0, "more than one"},
		"garbage":          {`{"x":1}`, 0, `tensor "x"`},
		"other dtype":      {x("C64", "[1]", "[0,8]"), 8, `tensor "x": not valid: dtype "C64"`},
		"FP8":              {x("F8_E4M3", "[8]", "[0,8]"), 8, "weft stores F32, F16 and BF16"},
		"unknown field":    {`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}}`, 4, "strides"},
		"negative":         {x("F32", "[-1]", "[0,4]"), 4, `tensor "x"`},
		"fraction":         {x("F32", "[1.5]", "[0,6]"), 6, `tensor "x"`},
		"overflow":         {x("F32", "[4294967296,4294967296,4294967296]", "[0,4]"), 4, `tensor "x"`},
		"no offsets":       {`{"x":{"dtype":"F32","shape":[1]}}`, 4, "data_offsets"},
		"three offsets":    {x("F32", "[1]", "[0,4,8]"), 4, "data_offsets"},
		"backwards":        {x("F32", "[1]", "[4,0]"), 4, "data_offsets"},
		"wrong size":       {x("F32", "[2]", "[0,4]"), 4, "8 bytes of F32 [2]"},
		"beyond":           {x("F32", "[2]", "[0,8]"), 4, "is it whole"},
		"bytes after":      {x("F32", "[1]", "[0,4]"), 8, "is it whole"},
		"hole at start":    {x("F32", "[1]", "[4,8]"), 8, `tensor "x" begins at 4`},
		"hole":             {two("[0,8]", "[9,17]"), 17, `tensor "b" begins at 9`},
		"overlap":          {two("[0,8]", "[6,14]"), 14, `tensor "b" begins at 6`},
		"same place":       {two("[0,8]", "[0,8]"), 8, `tensor "b" begins at 0`},
		"far away":         {two("[0,8]", "[18446744073709551607,18446744073709551615]"), 16, `tensor "b"`},
		"twice":            {`{"a":{"dtype":"F16","shape":[],"data_offsets":[0,2]},"a":{"dtype":"F16","shape":[],"data_offsets":[2,4]}}`, 4, `"a" occurs twice`},
		"metadata twice":   {`{"__metadata__":{},"__metadata__":{}}`, 0, "occurs twice"},
		"metadata numbers": {`{"__metadata__":{"a":1}}`, 0, "__metadata__"},
		"no name":          {`{"":{"dtype":"F16","shape":[],"data_offsets":[0,2]}}`, 2, "name"},
		"long name":        {`{"` + strings.Repeat("n", 2000) + `":{"dtype":"F16","shape":[],"data_offsets":[0,2]}}`, 2, "name"},
		"rank":             {x("F16", "["+strings.Repeat("1,", 40)+"1]", "[0,2]"), 2, "dimensions"},
		"deep":             {`{"__metadata__":` + strings.Repeat("[", 20000), 0, "__metadata__"},
	} {
		_, err := parse(c.text, c.size)
		if !errors.Is(err, tensor.ErrSafetensors) || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("%s: %v; want %q", name, err, c.hint)
		}
	}
	for name, file := range map[string][]byte{
		"no length":  {1, 0, 0},
		"beyond":     {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'},
		"too long":   append([]byte{1, 0, 0, 1, 0, 0, 0, 0}, make([]byte, tensor.MaxHeader+1)...),
		"negative":   append(bytes.Repeat([]byte{0xff}, 8), '{', '}'),
		"wraps over": {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'},
	} {
		if _, err := tensor.ReadHeader(bytes.NewReader(file), int64(len(file))); !errors.Is(err, tensor.ErrSafetensors) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tensor.ReadHeader(bytes.NewReader(nil), 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that shrank: %v", err)
	}
	if h, err := parse("{}", 0); err != nil {
		t.Error(err)
	} else if _, err := h.Layout(); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("no tensors: %v", err)
	}
}

// TestHeaderGolden pins the bytes: artifacts of all sites have equal files.
func TestHeaderGolden(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{
		{Name: "a<\"\\\n>é", DType: tensor.BF16, Shape: []uint64{2, 3}},
		{Name: "b", DType: tensor.F32},
	}}
	want := "\xa0\x00\x00\x00\x00\x00\x00\x00" +
		`{"__metadata__":{"format":"pt"},"a<\"\\\n>é":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},` +
		`"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}       `
	if got := string(l.SafetensorsHeader()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := layouts().Draw(r, "layout")
		for i := range l.Tensors {
			l.Tensors[i].Name += rapid.StringN(0, 20, -1).Draw(r, "name")
		}
		data := bytes.Repeat([]byte{1, 2}, int(l.Bytes()/2))
		file := append(l.SafetensorsHeader(), data...)
		h, err := tensor.ReadHeader(bytes.NewReader(file), int64(len(file)))
		if err != nil || h.DataOffset%8 != 0 || !h.Canonical() {
			r.Fatalf("%q: %+v, %v", file, h, err)
		}
		if back, err := h.Layout(); err != nil || back.Block().CID != l.Block().CID {
			r.Fatalf("back %+v, %v", back, err)
		}
		n := 0
		for _, x := range h.Tensors {
			part, err := io.ReadAll(h.Data(bytes.NewReader(file), x))
			if err != nil || len(part) != int(x.Bytes()) {
				r.Fatalf("%q: %d bytes, %v", x.Name, len(part), err)
			}
			n += len(part)
		}
		if n != len(data) {
			r.Fatalf("%d bytes, want %d", n, len(data))
		}
	})
}

func FuzzReadHeader(f *testing.F) {
	f.Add(append(mixed.SafetensorsHeader(), make([]byte, mixed.Bytes())...))
	f.Add([]byte("\x75\x00\x00\x00\x00\x00\x00\x00" + // of another order
		`{"b":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}         ` + "12345678"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := tensor.ReadHeader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		end := h.DataOffset
		for _, x := range h.Tensors {
			if h.DataOffset+x.Offset != end {
				t.Fatalf("%q at %d, want %d", x.Name, x.Offset, end)
			}
			end += x.Bytes()
		}
		if end != uint64(len(file)) {
			t.Fatalf("ends at %d of %d", end, len(file))
		}
		if l, err := h.Layout(); err == nil && l.Bytes() != uint64(len(file))-h.DataOffset {
			t.Fatalf("%+v", l)
		}
	})
}
