package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/weft-mesh/weft/tensor"
)

// Files of a folder as Hugging Face has them.
const (
	modelFile   = "model.safetensors"
	indexFile   = modelFile + ".index.json"
	adapterFile = "adapter_model.safetensors" // of PEFT, beside adapterConfig
	fileExt     = ".safetensors"

	modelConfig = "config.json"
)

const maxIndex = 16 << 20 // bytes of an index

// index says which tensor lies in which file of a folder.
type index struct {
	path string
	File map[string]string `json:"weight_map"`
}

// filesOf returns the paths of a folder's safetensors files, and the index if there is one.
func filesOf(dir string) ([]string, *index, error) {
	x, err := readIndex(filepath.Join(dir, indexFile))
	if err == nil {
		return x.paths(dir), x, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, name := range []string{modelFile, adapterFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return []string{path}, nil, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("%s: %w: the folder has neither %s nor %s nor %s; transformers' model.save_pretrained(DIR) writes them", dir, ErrUnusable, modelFile, indexFile, adapterFile)
}

// readIndex reads an index.
func readIndex(path string) (*index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxIndex {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", path, ErrUnusable, info.Size(), maxIndex)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		return nil, err
	}
	return parseIndex(path, b.Bytes())
}

// parseIndex reads the JSON of an index. Files are named without a folder: nothing outside is read.
func parseIndex(path string, data []byte) (*index, error) {
	x := &index{path: path}
	if err := json.Unmarshal(data, x); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrUnusable, err)
	}
	if len(x.File) == 0 || len(x.File) > tensor.MaxTensors {
		return nil, fmt.Errorf("%s: %w: weight_map names %d tensors, 1 to %d", path, ErrUnusable, len(x.File), tensor.MaxTensors)
	}
	for name, file := range x.File {
		if file != filepath.Base(file) || filepath.Ext(file) != fileExt {
			return nil, fmt.Errorf("%s: %w: tensor %.80q lies in %.80q, which is no safetensors file of this folder", path, ErrUnusable, name, file)
		}
	}
	return x, nil
}

// paths returns the paths of the files that the index names.
func (x *index) paths(dir string) (list []string) {
	for _, file := range x.File {
		list = append(list, filepath.Join(dir, file))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// check refuses a checkpoint whose files have other tensors than the index says.
func (x *index) check(c *Checkpoint) error {
	found := map[string]bool{}
	for _, t := range c.tensors {
		found[t.Name] = true
		switch file := x.File[t.Name]; file {
		case filepath.Base(t.in.path):
		case "":
			return fmt.Errorf("%s: %w: it names no tensor %q, which is in %s", x.path, ErrUnusable, t.Name, filepath.Base(t.in.path))
		default:
			return fmt.Errorf("%s: %w: tensor %q should be in %s, and is in %s", x.path, ErrUnusable, t.Name, file, filepath.Base(t.in.path))
		}
	}
	for name, file := range x.File {
		if !found[name] {
			return fmt.Errorf("%s: %w: tensor %q should be in %s, and is not", x.path, ErrUnusable, name, file)
		}
	}
	return nil
}
