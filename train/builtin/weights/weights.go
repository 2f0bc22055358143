package weights

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train/builtin/llama"
)

// ErrTooLarge is returned for more parameters than a model of package llama has.
var ErrTooLarge = errors.New("more parameters than the embedded trainer takes")

// maxBytes bounds the elements of a file that is read into memory.
const maxBytes = 1 << 30

// Read returns the tensors of the safetensors file at path, sorted by name, and their layout.
func Read(path string) ([]llama.Tensor, tensor.Layout, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, tensor.Layout{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, tensor.Layout{}, err
	}
	ts, l, err := Decode(f, info.Size())
	if err != nil {
		return nil, tensor.Layout{}, fmt.Errorf("read %s: %w", path, err)
	}
	return ts, l, nil
}

// Decode is Read for a file of size bytes behind r.
func Decode(r io.ReaderAt, size int64) ([]llama.Tensor, tensor.Layout, error) {
	h, err := tensor.ReadHeader(r, size)
	if err != nil {
		return nil, tensor.Layout{}, err
	}
	l, err := h.Layout()
	if err != nil {
		return nil, tensor.Layout{}, err
	}
	if l.Bytes() > maxBytes {
		return nil, tensor.Layout{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, l.Bytes(), maxBytes)
	}
	ts := make([]llama.Tensor, 0, len(h.Tensors))
	for _, at := range h.Tensors {
		raw := make([]byte, at.Bytes())
		if _, err := io.ReadFull(h.Data(r, at), raw); err != nil {
			return nil, tensor.Layout{}, fmt.Errorf("tensor %q: %w", at.Name, err)
		}
		t := llama.Tensor{Name: at.Name, Data: make([]float32, at.Elements())}
		for _, d := range at.Shape {
			t.Shape = append(t.Shape, int(d))
		}
		tensor.Decode(t.Data, raw, at.DType)
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(a, b llama.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	return ts, l, nil
}

// LayoutOf returns the layout of ts, sorted by name, with all elements of type d.
func LayoutOf(ts []llama.Tensor, d tensor.DType) tensor.Layout {
	var l tensor.Layout
	for _, t := range ts {
		e := tensor.Tensor{Name: t.Name, DType: d, Shape: []uint64{}}
		for _, n := range t.Shape {
			e.Shape = append(e.Shape, uint64(n))
		}
		l.Tensors = append(l.Tensors, e)
	}
	slices.SortFunc(l.Tensors, func(a, b tensor.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	return l
}

// Encode returns the safetensors file of ts in layout l, which names exactly them.
func Encode(ts []llama.Tensor, l tensor.Layout) ([]byte, error) { return encode(ts, l, nil) }

func encode(ts []llama.Tensor, l tensor.Layout, metadata map[string]string) ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	sorted := slices.SortedFunc(slices.Values(ts), func(a, b llama.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	if len(sorted) != len(l.Tensors) {
		return nil, fmt.Errorf("%w: %d tensors for a layout of %d", llama.ErrTensors, len(sorted), len(l.Tensors))
	}
	out := bytes.NewBuffer(l.HeaderWithAliases(metadata))
	for i, e := range l.Tensors {
		t := sorted[i]
		if t.Name != e.Name || uint64(len(t.Data)) != e.Elements() {
			return nil, fmt.Errorf("%w: %q of %d elements where the layout has %q of %d", llama.ErrTensors, t.Name, len(t.Data), e.Name, e.Elements())
		}
		raw := make([]byte, e.Bytes())
		if at := tensor.Encode(raw, t.Data, e.DType); at >= 0 {
			return nil, fmt.Errorf("%w: %q holds %v at element %d, no %s; a lower learning rate helps", llama.ErrTensors, t.Name, t.Data[at], at, e.DType)
		}
		out.Write(raw)
	}
	return out.Bytes(), nil
}

// Write puts the file of ts in layout l at path, whole or not at all, durable on return.
func Write(path string, ts []llama.Tensor, l tensor.Layout) error { return write(path, ts, l, nil) }

// WriteFirst is Write in F32, with metadata that says what the model is.
func WriteFirst(path string, ts []llama.Tensor, metadata map[string]string) error {
	return write(path, ts, LayoutOf(ts, tensor.F32), metadata)
}

func write(path string, ts []llama.Tensor, l tensor.Layout, metadata map[string]string) error {
	data, err := encode(ts, l, metadata)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, data, 0o644)
}
