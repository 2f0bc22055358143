package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/tensor"
)

// file is a safetensors file: tensors by name, each with its elements.
type file map[string]content

type content struct {
	dtype tensor.DType
	shape []uint64
	data  []byte
}

func floats(values ...float32) content {
	data, _ := binary.Append(nil, binary.LittleEndian, values)
	return content{tensor.F32, []uint64{uint64(len(values))}, data}
}

func doubles(values ...float64) content {
	data, _ := binary.Append(nil, binary.LittleEndian, values)
	return content{tensor.F64, []uint64{uint64(len(values))}, data}
}

func counter(n int64) content {
	data, _ := binary.Append(nil, binary.LittleEndian, n)
	return content{tensor.I64, []uint64{}, data}
}

// bytes lays the tensors in the order of their names, or against it.
func (f file) bytes(aliases map[string]string, backwards bool) []byte {
	names := slices.Sorted(maps.Keys(f))
	if backwards {
		slices.Reverse(names)
	}
	header, at := map[string]any{"__metadata__": aliases}, 0
	var data []byte
	for _, name := range names {
		c := f[name]
		header[name] = map[string]any{"dtype": c.dtype, "shape": c.shape, "data_offsets": []int{at, at + len(c.data)}}
		at += len(c.data)
		data = append(data, c.data...)
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...)
}

// canonical is the file as models are exported.
func (f file) canonical(said map[string]string) []byte {
	l, data := tensor.Layout{}, []byte(nil)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		l.Tensors = append(l.Tensors, tensor.Tensor{Name: name, DType: f[name].dtype, Shape: f[name].shape})
		data = append(data, f[name].data...)
	}
	return append(l.HeaderWithAliases(said), data...)
}

// write puts files into a new folder.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns what is in a safetensors file.
func read(t *testing.T, data []byte) (f file, aliases map[string]string) {
	t.Helper()
	h, err := tensor.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	f = file{}
	for _, x := range h.Tensors {
		b := make([]byte, x.Bytes())
		if _, err := h.Data(bytes.NewReader(data), x).Read(b); err != nil {
			t.Fatal(err)
		}
		f[x.Name] = content{x.DType, x.Shape, b}
	}
	return f, h.Aliases()
}

func same(a, b file) bool {
	return maps.EqualFunc(a, b, func(x, y content) bool {
		return x.dtype == y.dtype && slices.Equal(x.shape, y.shape) && bytes.Equal(x.data, y.data)
	})
}

// batchNorm is a model as frameworks write it, in no particular order.
var batchNorm = file{
	"embed.weight": floats(1, 2, 3), "bn.num_batches_tracked": counter(7), "attn.bias": {tensor.Bool, []uint64{1, 3}, []byte{1, 0, 1}},
	"z.scale": {tensor.BF16, []uint64{2}, []byte{0x80, 0x3f, 0, 0x40}},
}

// TestSplitAndMerge: what a run averages and what it keeps are parted, and come together as the file that there was.
func TestSplitAndMerge(t *testing.T) {
	aliases := map[string]string{"lm_head.weight": "embed.weight", "format": "pt"}
	dir := write(t, map[string][]byte{"m.safetensors": batchNorm.bytes(aliases, true)})
	c, err := Open(filepath.Join(dir, "m.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Plain() {
		t.Error("a file with a counter is plain")
	}
	p, err := c.Split(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(p.Weights)
	if err != nil {
		t.Fatal(err)
	}
	constants, err := os.ReadFile(p.Constants)
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := read(t, weights); len(f) != 2 || !same(f, file{"embed.weight": batchNorm["embed.weight"], "z.scale": batchNorm["z.scale"]}) {
		t.Errorf("weights: %v", f)
	}
	if f, _ := read(t, constants); len(f) != 2 || f["bn.num_batches_tracked"].data[0] != 7 {
		t.Errorf("constants: %v", f)
	}
	var merged bytes.Buffer
	if err := Merge(&merged, bytes.NewReader(weights), bytes.NewReader(constants), p.Aliases, Leave{}); err != nil {
		t.Fatal(err)
	}
	back, names := read(t, merged.Bytes())
	if !same(back, batchNorm) || len(names) != 1 || names["lm_head.weight"] != "embed.weight" {
		t.Errorf("back: %v, aliases %v", back, names)
	}
	layout := func(data []byte) tensor.Layout {
		h, _ := tensor.ReadHeader(bytes.NewReader(data), int64(len(data)))
		l, err := h.Layout()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if n, err := MergedSize(layout(weights), layout(constants), p.Aliases, Leave{}); err != nil || n != int64(merged.Len()) {
		t.Errorf("size %d, %v; want %d", n, err, merged.Len())
	}
	if err := Merge(&merged, bytes.NewReader(weights), bytes.NewReader(weights), nil, Leave{}); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("a name twice: %v", err)
	}
	if err := Merge(&merged, bytes.NewReader(weights[:len(weights)-1]), nil, nil, Leave{}); err == nil {
		t.Error("weights that are cut off are merged")
	}
}

// TestFloat64: what it costs is said, and what has no float32 is refused by its tensor.
func TestFloat64(t *testing.T) {
	dir := write(t, map[string][]byte{
		"m.safetensors": file{"coef": doubles(0.1, 1), "intercept": doubles(1e10 + 1), "w": floats(1)}.bytes(nil, false),
		"n.safetensors": file{"coef": doubles(1e300)}.bytes(nil, false),
	})
	c, err := Open(filepath.Join(dir, "m.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.Split(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if p.Constants != "" || p.Rounded.In != "intercept" || p.Rounded.Most != 1 || len(p.Rounded.Tensors) != 2 {
		t.Errorf("%+v", p)
	}
	if want := `float64 becomes float32: coef, intercept; the largest error is 1, in "intercept"`; p.Rounded.String() != want {
		t.Errorf("it says %q", p.Rounded)
	}
	data, err := os.ReadFile(p.Weights)
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := read(t, data); f["coef"].dtype != tensor.F32 || math.Float32frombits(binary.LittleEndian.Uint32(f["coef"].data)) != 0.1 {
		t.Errorf("%v", f)
	}
	large, err := Open(filepath.Join(dir, "n.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if _, err := large.Split(t.Context(), t.TempDir()); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), `"coef"`) {
		t.Errorf("no float32: %v", err)
	}
}

// TestPlain: a file with weights alone is taken as it is.
func TestPlain(t *testing.T) {
	dir := write(t, map[string][]byte{"m.safetensors": file{"w": floats(1)}.bytes(map[string]string{"format": "pt"}, false), "i.safetensors": file{"n": counter(1)}.bytes(nil, false)})
	c, err := Open(filepath.Join(dir, "m.safetensors"))
	if err != nil || !c.Plain() || c.Path() != filepath.Join(dir, "m.safetensors") {
		t.Fatal(c, err)
	}
	defer c.Close()
	none, err := Open(filepath.Join(dir, "i.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if _, err := none.Split(t.Context(), dir); !errors.Is(err, ErrUnusable) {
		t.Errorf("no weights: %v", err)
	}
}
