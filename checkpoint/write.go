package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/tensor"
)

// FileBytes is the size beyond which the tensors of a folder go on in another file, as Hugging Face has it.
const FileBytes = 5_000_000_000

// maxCarried is the largest file of another folder that is no model's, in bytes.
const maxCarried = 64 << 20

// Folder is a folder as Hugging Face has them, to be written.
type Folder struct {
	Dir       string // it must not be there yet, or be empty
	Like      string // a folder whose other files, such as the configuration and the tokenizer, are copied
	Peft      bool   // refuse a model that is no adapter
	FileBytes int64  // FileBytes if 0
}

// ErrNoAdapter is returned for a model of which is not known that it is an adapter.
var ErrNoAdapter = errors.New("no adapter")

// Write writes the model that comes as a safetensors file in canonical form. The folder appears whole or not at all.
func (f *Folder) Write(r io.Reader) (err error) {
	if err := f.Check(); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(f.Dir)), "."+filepath.Base(f.Dir)+".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := f.carry(temp); err != nil {
		return err
	}
	if err := f.writeModel(temp, r); err != nil {
		return err
	}
	if err := os.Remove(f.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // if it is there it is empty
		return err
	}
	return os.Rename(temp, f.Dir)
}

// Check says what keeps the folder from being written, as far as that can be seen before.
func (f *Folder) Check() error {
	list, err := os.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("%s: %w, and it is not empty", f.Dir, fs.ErrExist)
	}
	if f.Like == "" {
		return nil
	}
	_, err = f.isAdapter()
	return err
}

// isAdapter reports whether the folder that Like names is one of an adapter, and refuses one that is no model's.
func (f *Folder) isAdapter() (bool, error) {
	if _, err := os.Stat(f.Like); err != nil {
		return false, err
	}
	for _, name := range []string{modelConfig, adapterConfig} {
		if _, err := os.Stat(filepath.Join(f.Like, name)); err == nil {
			return name == adapterConfig, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, fmt.Errorf("%s: %w: it has neither %s nor %s", f.Like, ErrUnusable, modelConfig, adapterConfig)
}

// adapter reports whether the model is an adapter: Like's folder is one, or else the model says so, and its configuration is written.
func (f *Folder) adapter(dir string, h tensor.Header) (bool, error) {
	if f.Like != "" {
		return f.isAdapter()
	}
	config := h.Metadata[adapterConfig]
	if config == "" {
		if f.Peft {
			return false, fmt.Errorf("%w: the run does not say what adapter it is", ErrNoAdapter)
		}
		return false, nil
	}
	return true, os.WriteFile(filepath.Join(dir, adapterConfig), []byte(config), 0o644)
}

// weightExts are the ends of files that hold weights, of any framework; they are not carried along.
var weightExts = []string{fileExt, ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".onnx", ".index.json", ".ot", ".tflite"}

// carry copies the other files of the folder that Like names.
func (f *Folder) carry(to string) error {
	if f.Like == "" {
		return nil
	}
	list, err := os.ReadDir(f.Like)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := e.Name()
		info, err := os.Stat(filepath.Join(f.Like, name)) // a link of the hub's cache is followed
		if err != nil {
			return err
		}
		isWeights := slices.ContainsFunc(weightExts, func(ext string) bool { return strings.HasSuffix(name, ext) })
		if !info.Mode().IsRegular() || isWeights || info.Size() > maxCarried || strings.HasPrefix(name, ".") {
			continue
		}
		if err := copyFile(filepath.Join(f.Like, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
