package tensor

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

const vectorDir = "../testdata/vectors/safetensors"

// vector is a file that every reader takes, and what it holds.
type vector struct {
	File      string
	Canonical bool
	Tensors   map[string]struct {
		DType DType
		Shape []uint64
		Bytes string
	}
}

// The node takes, and refuses, the same files as the Python package: testdata/vectors/safetensors,
// made by python/tests/make_vectors.py. A canonical file is the same bytes from either.
func TestSafetensorsVectors(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(vectorDir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var vectors struct {
		Accept []vector
		Refuse []struct{ File, Why string }
	}
	if err := json.Unmarshal(read("vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Accept) == 0 || len(vectors.Refuse) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors.Accept {
		t.Run(v.File, func(t *testing.T) { v.check(t, read(v.File)) })
	}
	for _, v := range vectors.Refuse {
		data := read(v.File)
		if _, err := ReadHeader(bytes.NewReader(data), int64(len(data))); !errors.Is(err, ErrSafetensors) {
			t.Errorf("%s (%s): %v", v.File, v.Why, err)
		}
	}
}

func (v vector) check(t *testing.T, data []byte) {
	file := bytes.NewReader(data)
	h, err := ReadHeader(file, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Tensors) != len(v.Tensors) {
		t.Errorf("%d tensors, want %d", len(h.Tensors), len(v.Tensors))
	}
	for name, want := range v.Tensors {
		got, ok := h.Tensor(name)
		if !ok || got.DType != want.DType || !bytes.Equal(asJSON(t, got.Shape), asJSON(t, want.Shape)) {
			t.Errorf("tensor %q: %+v", name, got)
			continue
		}
		b, err := io.ReadAll(h.Data(file, got))
		if err != nil || hex.EncodeToString(b) != want.Bytes {
			t.Errorf("tensor %q: %x, %v", name, b, err)
		}
	}
	l, err := h.Layout()
	if err != nil {
		t.Fatal(err)
	}
	if v.Canonical && (!h.Canonical() || !bytes.HasPrefix(data, l.SafetensorsHeader())) {
		t.Errorf("the node writes another header: %q", l.SafetensorsHeader())
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
