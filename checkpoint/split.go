package checkpoint

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-mesh/weft/tensor"
)

// Parts is a checkpoint in parts.
type Parts struct {
	Weights   string // path of a safetensors file in canonical form
	Constants string // of another; empty: none
	Aliases   map[string]string
	Rounded   Rounded
}

// Rounded is the float64 that became float32.
type Rounded struct {
	Tensors []string // their names
	Most    float64  // the largest error
	In      string   // the tensor that has it
}

// String says it in a line, empty if there was none.
func (r Rounded) String() string {
	if len(r.Tensors) == 0 {
		return ""
	}
	names := strings.Join(r.Tensors[:min(3, len(r.Tensors))], ", ")
	if more := len(r.Tensors) - 3; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("float64 becomes float32: %s; the largest error is %.3g, in %q", names, r.Most, r.In)
}

// Split writes the parts of the checkpoint into a folder.
func (c *Checkpoint) Split(ctx context.Context, dir string) (p Parts, err error) {
	var weights, constants []placed
	for _, t := range c.tensors {
		if c.common(t) {
			weights = append(weights, t)
		} else {
			constants = append(constants, t)
		}
	}
	if len(weights) == 0 {
		return p, fmt.Errorf("%s: %w: none of its %d tensors has weights, which are floats", c.Path(), ErrUnusable, len(c.tensors))
	}
	p = Parts{Weights: filepath.Join(dir, "weights"+fileExt), Aliases: c.aliases}
	if err := p.write(ctx, p.Weights, weights); err != nil {
		return p, err
	}
	if hasElements(constants) {
		p.Constants = filepath.Join(dir, "constants"+fileExt)
		if err := p.write(ctx, p.Constants, constants); err != nil {
			return p, err
		}
	}
	for _, s := range c.files {
		if now, err := s.file.Stat(); err != nil || now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime()) {
			return p, errors.Join(fmt.Errorf("%s: %w: it was written to meanwhile", s.path, ErrUnusable), err)
		}
	}
	return p, nil
}

// hasElements reports whether there is anything to keep: an artifact has elements.
func hasElements(list []placed) bool {
	for _, t := range list {
		if t.Elements() > 0 {
			return true
		}
	}
	return false
}

// write makes a canonical file of tensors in the order of their names.
func (p *Parts) write(ctx context.Context, path string, list []placed) (err error) {
	l := tensor.Layout{Tensors: make([]tensor.Tensor, len(list))}
	for i, t := range list {
		l.Tensors[i] = t.Tensor
		if t.DType == tensor.F64 {
			l.Tensors[i].DType = tensor.F32
		}
	}
	if err := l.Validate(); err != nil {
		return fmt.Errorf("%s: %w: %w", filepath.Base(list[0].in.path), ErrUnusable, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := w.Write(l.SafetensorsHeader()); err != nil {
		return err
	}
	for _, t := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		data := t.in.header.Data(t.in.file, t.Located)
		if t.DType == tensor.F64 {
			err = p.round(w, t, data)
		} else {
			_, err = io.CopyN(w, data, int64(t.Bytes()))
		}
		if err != nil {
			return fmt.Errorf("%s: tensor %q: %w", t.in.path, t.Name, err)
		}
	}
	return w.Flush()
}

// round writes a tensor of float64 as float32, and notes what that costs.
func (p *Parts) round(w io.Writer, t placed, data io.Reader) error {
	p.Rounded.Tensors = append(p.Rounded.Tensors, t.Name)
	if p.Rounded.In == "" {
		p.Rounded.In = t.Name
	}
	var in [8]byte
	var out [4]byte
	r := bufio.NewReaderSize(data, 1<<20)
	for i := range t.Elements() {
		if _, err := io.ReadFull(r, in[:]); err != nil {
			return err
		}
		wide := math.Float64frombits(binary.LittleEndian.Uint64(in[:]))
		narrow := float32(wide)
		if math.IsNaN(wide) || math.IsInf(float64(narrow), 0) {
			return fmt.Errorf("%w: element %d is %v, and a float32 is finite", ErrUnusable, i, wide)
		}
		if e := math.Abs(wide - float64(narrow)); e > p.Rounded.Most {
			p.Rounded.Most, p.Rounded.In = e, t.Name
		}
		binary.LittleEndian.PutUint32(out[:], math.Float32bits(narrow))
		if _, err := w.Write(out[:]); err != nil {
			return err
		}
	}
	return nil
}
