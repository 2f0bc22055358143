package weights

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train/builtin/llama"
)

func example() []llama.Tensor {
	return []llama.Tensor{
		{Name: "b", Shape: []int{2, 2}, Data: []float32{1, -2.5, 3, 1.0 / 3}},
		{Name: "a", Shape: []int{3}, Data: []float32{0, 65504, 1e-3}},
	}
}

func TestRoundTrip(t *testing.T) {
	for d, tol := range map[tensor.DType]float64{tensor.F32: 0, tensor.F16: 1e-3, tensor.BF16: 8e-3} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		ts := example()
		if err := Write(path, ts, LayoutOf(ts, d)); err != nil {
			t.Fatal(err)
		}
		got, l, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Name != "a" || got[1].Name != "b" || l.Tensors[0].DType != d {
			t.Fatalf("%s: read %v, %v", d, got, l)
		}
		for i, v := range got[1].Data {
			if want := ts[0].Data[i]; math.Abs(float64(v-want)) > tol*math.Abs(float64(want)) {
				t.Errorf("%s: %v became %v", d, want, v)
			}
		}
		again := filepath.Join(t.TempDir(), "y.safetensors")
		if err := Write(again, got, l); err != nil {
			t.Fatal(err)
		}
		if a, b := mustEncode(t, ts, LayoutOf(ts, d)), mustEncode(t, got, l); !bytes.Equal(a, b) {
			t.Errorf("%s: written again, the file differs", d)
		}
	}
}

func mustEncode(t *testing.T, ts []llama.Tensor, l tensor.Layout) []byte {
	t.Helper()
	b, err := Encode(ts, l)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEncodeRefuses(t *testing.T) {
	ts := example()
	l := LayoutOf(ts, tensor.F32)
	if _, err := Encode(ts[:1], l); !errors.Is(err, llama.ErrTensors) {
		t.Errorf("missing tensor: %v", err)
	}
	ts[0].Data[0] = float32(math.Inf(1))
	if _, err := Encode(ts, l); !errors.Is(err, llama.ErrTensors) {
		t.Errorf("infinity: %v", err)
	}
	ts[0].Data[0] = 1e6
	if _, err := Encode(ts, LayoutOf(ts, tensor.F16)); !errors.Is(err, llama.ErrTensors) {
		t.Errorf("beyond F16: %v", err)
	}
	ts[0].Name = "c"
	if _, err := Encode(ts, l); !errors.Is(err, llama.ErrTensors) {
		t.Errorf("other name: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	ts := example()
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16} {
		b, err := Encode(ts, LayoutOf(ts, d))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		ts, l, err := Decode(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		total := 0
		for i, x := range ts {
			total += len(x.Data)
			if x.Size() != len(x.Data) || x.Name != l.Tensors[i].Name {
				t.Fatalf("tensor %q of shape %v has %d elements", x.Name, x.Shape, len(x.Data))
			}
		}
		if total > len(file) {
			t.Fatalf("%d elements from %d bytes", total, len(file))
		}
	})
}
