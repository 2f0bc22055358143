package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// ErrUnusable is returned for files that are no checkpoint, or none that weft reads. The error names the file.
var ErrUnusable = errors.New("not a checkpoint that weft reads")

// Checkpoint is a model in one or several files, open to read.
type Checkpoint struct {
	files   []*source
	tensors []placed // by name
	aliases map[string]string
	adapter string // its configuration, in JSON
	frozen  ledger.Frozen
	local   tensor.Patterns
}

// source is a safetensors file.
type source struct {
	path   string
	file   *os.File
	info   fs.FileInfo // when it was opened
	header tensor.Header
}

// placed is a tensor and the file that it lies in.
type placed struct {
	tensor.Located
	in *source
}

// Open reads the headers of a safetensors file, or of a folder's.
func Open(path string) (c *Checkpoint, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	paths, index := []string{path}, (*index)(nil)
	if info.IsDir() {
		if paths, index, err = filesOf(path); err != nil {
			return nil, err
		}
	}
	c = &Checkpoint{aliases: map[string]string{}}
	for _, p := range paths {
		if err = c.add(p); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if info.IsDir() {
		err = c.readAdapter(path)
	}
	if err == nil {
		err = c.order()
	}
	if err == nil && index != nil {
		err = index.check(c)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// add opens a file.
func (c *Checkpoint) add(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	s := &source{path: path, file: f}
	c.files = append(c.files, s)
	if s.info, err = f.Stat(); err != nil {
		return err
	}
	if s.header, err = tensor.ReadHeader(f, s.info.Size()); err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrUnusable, err)
	}
	for _, t := range s.header.Tensors {
		c.tensors = append(c.tensors, placed{t, s})
	}
	maps.Copy(c.aliases, s.header.Aliases())
	if files := s.header.Metadata[ledger.FrozenKey]; files != "" {
		if c.frozen, err = ledger.ParseFrozen(files); err != nil {
			return fmt.Errorf("%s: %w: %w", path, ErrUnusable, err)
		}
	}
	if config := s.header.Metadata[adapterConfig]; config != "" {
		return c.setAdapter(path, config)
	}
	return nil
}

// order brings the tensors into the order of their names, of which each must be there once.
func (c *Checkpoint) order() error {
	slices.SortStableFunc(c.tensors, func(a, b placed) int { return cmp.Compare(a.Name, b.Name) })
	for i, t := range c.tensors {
		if i > 0 && c.tensors[i-1].Name == t.Name {
			return fmt.Errorf("%s: %w: tensor %q is in %s too", t.in.path, ErrUnusable, t.Name, filepath.Base(c.tensors[i-1].in.path))
		}
		delete(c.aliases, t.Name) // another file has it
	}
	return nil
}

// Plain reports whether the checkpoint is one file with weights and nothing else, which can be taken as it is.
func (c *Checkpoint) Plain() bool {
	return len(c.files) == 1 && len(c.aliases) == 0 && !slices.ContainsFunc(c.tensors, func(t placed) bool { return !t.DType.Weight() || !c.common(t) })
}

// narrow returns the types of weights that are not F32.
func (c *Checkpoint) narrow() (types []string) {
	for _, t := range c.tensors {
		if d := string(t.DType); t.DType.Weight() && c.common(t) && t.DType != tensor.F32 && !slices.Contains(types, d) {
			types = append(types, d)
		}
	}
	return types
}

// Path returns the path of the first file, the only one if it is plain.
func (c *Checkpoint) Path() string { return c.files[0].path }

// Close ends reading.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, s := range c.files {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}
