package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

const loraConfig = `{"peft_type": "LORA", "r": 2, "lora_alpha": 16}`

// An adapter's configuration goes with its weights: from a folder of PEFT, or a file that has it, to the run and into a folder again.
func TestAdapter(t *testing.T) {
	frozen := ledger.Frozen{"config.json": block.Sum(block.Raw, []byte("{}"))}
	said := map[string]string{ledger.FrozenKey: frozen.String()}
	dir := write(t, map[string][]byte{adapterConfig: []byte(loraConfig), adapterFile: file{"q.lora_A.weight": floats(1)}.bytes(said, false)})
	c, err := Open(dir)
	if err != nil || c.adapter != loraConfig {
		t.Fatalf("%q, %v", c.adapter, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := blockstore.OpenDisk(filepath.Join(t.TempDir(), "store"), blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	i, err := Import(t.Context(), store, dir, t.TempDir(), nil, blockstore.ImportOptions{Keep: true})
	if err != nil || i.Beside.Adapter != loraConfig || i.Beside.Frozen.Differs(frozen) != "" {
		t.Fatalf("%+v, %v", i.Beside, err)
	}
	beside, err := ledger.NewConstants(i.Beside).Read()
	if err != nil {
		t.Fatal(err)
	}
	m, err := OpenModel(store.Open, i.Weights, beside)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	if size, err := m.Size(); err != nil || size != int64(out.Len()) {
		t.Errorf("%d bytes were written, %d said, %v", out.Len(), size, err)
	}
	f := Folder{Dir: filepath.Join(t.TempDir(), "out"), Peft: true}
	if err := f.Write(bytes.NewReader(out.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(f.Dir, adapterConfig)); err != nil || string(got) != loraConfig {
		t.Errorf("%q, %v", got, err)
	}
	alone := filepath.Join(t.TempDir(), "alone.safetensors")
	if err := os.WriteFile(alone, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(alone); err != nil || c.adapter != loraConfig || c.frozen.Differs(frozen) != "" {
		t.Fatalf("of the file alone: %q, %v, %v", c.adapter, c.frozen, err)
	}
	_ = c.Close()
}

// What is no configuration is refused with its file; a model without one is no adapter's folder.
func TestAdapterRefused(t *testing.T) {
	weights := file{"q.lora_A.weight": floats(1)}.bytes(nil, false)
	for _, text := range []string{"null", "[]", "{", strings.Repeat(" ", ledger.MaxAdapter) + "{}"} {
		dir := write(t, map[string][]byte{adapterConfig: []byte(text), adapterFile: weights})
		if c, err := Open(dir); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), filepath.Join(dir, adapterConfig)) {
			t.Errorf("%.20q: %v, %v", text, c, err)
		}
	}
	said := map[string]string{ledger.FrozenKey: `{"config.json": 5}`}
	bad := filepath.Join(write(t, map[string][]byte{adapterFile: file{"q.lora_A.weight": floats(1)}.bytes(said, false)}), adapterFile)
	if _, err := Open(bad); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "frozen: no object") {
		t.Errorf("a frozen model that is no list of files: %v", err)
	}
	f := Folder{Dir: filepath.Join(t.TempDir(), "out"), Peft: true}
	if err := f.Write(bytes.NewReader(weights)); !errors.Is(err, ErrNoAdapter) {
		t.Error(err)
	}
	if _, err := os.Stat(f.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a folder was left behind")
	}
}

// PEFT's loader knows no further names of a tensor: in an adapter's file tied layers are written out, before or after their tensor,
// and matrices above the layers are not.
func TestWriteAdapterTied(t *testing.T) {
	const head, embedding, shared, layer = "base_model.model.lm_head.weight", "base_model.model.embed.weight", "base_model.vera_A", "base_model.model.q.vera_A"
	said := map[string]string{adapterConfig: loraConfig, embedding: head, "base_model.model.z.weight": head, layer: shared}
	model := file{head: floats(1, 2), shared: floats(3), "base_model.model.q.vera_lambda_b": floats(4)}.canonical(said)
	f := Folder{Dir: filepath.Join(t.TempDir(), "out"), Peft: true}
	if err := f.Write(bytes.NewReader(model)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.Dir, adapterFile))
	if err != nil {
		t.Fatal(err)
	}
	h, err := tensor.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range (file{head: floats(1, 2), embedding: floats(1, 2), "base_model.model.z.weight": floats(1, 2), shared: floats(3)}) {
		at, there := h.Tensor(name)
		if got, err := io.ReadAll(h.Data(bytes.NewReader(data), at)); !there || err != nil || !bytes.Equal(got, want.data) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if aliases := h.Aliases(); len(h.Tensors) != 5 || len(aliases) != 1 || aliases[layer] != shared {
		t.Errorf("%d tensors, further names %v", len(h.Tensors), aliases)
	}
}

// A prompt that PEFT computes of what is trained is no file that can be written here.
func TestWriteAdapterComputed(t *testing.T) {
	model := file{"prompt_encoder.embedding.weight": floats(1)}.canonical(map[string]string{adapterConfig: loraConfig})
	f := Folder{Dir: filepath.Join(t.TempDir(), "out"), Peft: true}
	if err := f.Write(bytes.NewReader(model)); !errors.Is(err, ErrComputed) {
		t.Error(err)
	}
	if _, err := os.Stat(f.Dir); err == nil {
		t.Error("a folder is there")
	}
}
