package checkpoint

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/tensor"
)

// writeModel writes the tensors into as many files as they need, and the index if those are several.
func (f *Folder) writeModel(dir string, r io.Reader) error {
	h, err := tensor.ReadHeaderFrom(r)
	if err != nil {
		return err
	}
	if !h.Canonical() {
		return fmt.Errorf("%w: its tensors are not in the order of their names", tensor.ErrSafetensors)
	}
	files, name := f.cut(h.ByName()), modelFile
	adapter, err := f.adapter(dir, h)
	if err != nil {
		return err
	}
	if adapter {
		return writeAdapter(filepath.Join(dir, adapterFile), h, r)
	}
	where, aliases := map[string]string{}, h.Aliases()
	for i, list := range files {
		if len(files) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d%s", i+1, len(files), fileExt)
		}
		for _, t := range list {
			where[t.Name] = name
		}
		if err := writeFile(filepath.Join(dir, name), list, aliases, r); err != nil {
			return err
		}
	}
	if len(files) == 1 {
		return nil
	}
	return writeIndex(filepath.Join(dir, indexFile), h, where)
}

// cut divides tensors over files: a file takes tensors as long as they fit, and at least one.
func (f *Folder) cut(list []tensor.Located) (files [][]tensor.Located) {
	most := uint64(f.FileBytes)
	if most == 0 {
		most = FileBytes
	}
	size := uint64(0)
	for _, t := range list {
		if len(files) == 0 || size > 0 && size+t.Bytes() > most {
			files, size = append(files, nil), 0
		}
		last := len(files) - 1
		files[last], size = append(files[last], t), size+t.Bytes()
	}
	return files
}

// writeFile writes a file of tensors whose elements come next, with the further names of those in it.
func writeFile(path string, list []tensor.Located, aliases map[string]string, r io.Reader) (err error) {
	l, names := tensor.Layout{}, map[string]bool{}
	for _, t := range list {
		l.Tensors = append(l.Tensors, t.Tensor)
		names[t.Name] = true
	}
	own := maps.Clone(aliases)
	maps.DeleteFunc(own, func(_, name string) bool { return !names[name] })
	return createFile(path, func(out *os.File) error {
		w := bufio.NewWriterSize(out, 1<<20)
		if _, err := w.Write(l.HeaderWithAliases(own)); err != nil {
			return err
		}
		if _, err := io.CopyN(w, r, int64(l.Bytes())); err != nil {
			return err
		}
		return w.Flush()
	})
}

// createFile makes a file that is on the disk when it returns.
func createFile(path string, write func(*os.File) error) (err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := write(out); err != nil {
		return err
	}
	return out.Sync()
}

// writeIndex writes which tensor lies in which file.
func writeIndex(path string, h tensor.Header, where map[string]string) error {
	total := uint64(0)
	for _, t := range h.Tensors {
		total += t.Bytes()
	}
	text, err := json.MarshalIndent(struct {
		Metadata map[string]uint64 `json:"metadata"`
		File     map[string]string `json:"weight_map"`
	}{map[string]uint64{"total_size": total}, where}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
