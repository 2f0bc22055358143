package checkpoint

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// names returns the files of a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// merged is a folder's model as one canonical file.
func merged(t *testing.T, dir string) []byte {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.Split(t.Context(), t.TempDir())
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
	var b bytes.Buffer
	if err := Merge(&b, bytes.NewReader(weights), bytes.NewReader(constants), p.Aliases, Leave{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWriteFolder: a folder that was read is written back with its configuration, in files of at most so many bytes, and reads
// as the same model.
func TestWriteFolder(t *testing.T) {
	files := sharded()
	files["tokenizer.json"], files["pytorch_model.bin"], files[".hidden"] = []byte("{}"), []byte("x"), nil
	like := write(t, files)
	model := merged(t, like)
	for size, want := range map[int64][]string{
		0: {"config.json", modelFile, "tokenizer.json"},
		8: {"config.json", "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", indexFile, "tokenizer.json"},
		1: {"config.json", "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", indexFile, "tokenizer.json"},
	} {
		parent := t.TempDir()
		f := Folder{Dir: filepath.Join(parent, "out"), Like: like, FileBytes: size}
		if err := f.Write(bytes.NewReader(model)); err != nil {
			t.Fatal(err)
		}
		if got := names(t, f.Dir); !slices.Equal(got, want) {
			t.Errorf("in files of %d bytes it has %v", size, got)
		}
		if got := names(t, parent); len(got) != 1 {
			t.Errorf("beside it lie %v", got)
		}
		if again := merged(t, f.Dir); !bytes.Equal(again, model) {
			t.Errorf("in files of %d bytes it reads as another model", size)
		}
		if err := f.Write(bytes.NewReader(model)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over what is there: %v", err)
		}
	}
}

// TestWriteFolderWhole: what fails leaves nothing.
func TestWriteFolderWhole(t *testing.T) {
	like := write(t, sharded())
	model := merged(t, like)
	parent := t.TempDir()
	f := Folder{Dir: filepath.Join(parent, "out"), Like: like}
	if err := os.Mkdir(f.Dir, 0o700); err != nil { // an empty one may be there
		t.Fatal(err)
	}
	if err := f.Write(bytes.NewReader(model[:len(model)-1])); err == nil {
		t.Error("a model that is cut off is written")
	}
	f.Like = t.TempDir()
	if err := f.Write(bytes.NewReader(model)); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("like a folder without a configuration: %v", err)
	}
	if got := names(t, parent); len(got) != 1 || len(names(t, f.Dir)) != 0 {
		t.Errorf("there is left %v", got)
	}
}

// TestWriteAdapter: an adapter of PEFT keeps its file's name.
func TestWriteAdapter(t *testing.T) {
	like := write(t, map[string][]byte{"adapter_config.json": []byte("{}"), adapterFile: file{"q.lora_A.weight": floats(1)}.bytes(nil, false)})
	model, err := os.ReadFile(filepath.Join(like, adapterFile))
	if err != nil {
		t.Fatal(err)
	}
	for len(model)%8 != 4 { // four bytes of data after an aligned header
		model = append(append(append([]byte{}, model[:len(model)-4]...), ' '), model[len(model)-4:]...)
		model[0]++
	}
	f := Folder{Dir: filepath.Join(t.TempDir(), "out"), Like: like, FileBytes: 1}
	if err := f.Write(bytes.NewReader(model)); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f.Dir); !slices.Equal(got, []string{"adapter_config.json", adapterFile}) {
		t.Errorf("%v", got)
	}
}
