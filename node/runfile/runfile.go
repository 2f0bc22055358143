package runfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/yamlfile"
)

// MaxSize is the longest run file, in bytes.
const MaxSize = 64 << 10

// The values of model.init mean the same: the trainer of the site that opens the run makes the model.
const (
	Trainer = "trainer"
	Builtin = "builtin" // as long as the embedded one alone could
)

// The values of dtype. To a narrow type every update and every common model would be rounded, and small steps would be lost.
const (
	F32  = "f32"
	Keep = "keep" // that of the model that the run starts from
)

// Run is a run as its file describes it.
type Run struct {
	Spec ledger.RunSpec // without By, Base, Layout and Nonce, which the node fills in
	Init bool           // the opener's trainer makes the model
	File string         // else the safetensors file, or the folder, that holds it
	From From           // else the earlier run whose model it is
	Wide bool           // the common models are F32 even if it is not
	Base string         // folder of the model that the run's adapters are made for; empty: the file does not say

	where *yamlfile.File
}

// From names a model of an earlier run.
type From struct {
	Run   string // as a person names it
	Round string // a number, or a word such as latest
}

// parseFrom reads RUN@ROUND. A run's name may have an @ of its own.
func parseFrom(text string) (From, error) {
	i := strings.LastIndexByte(text, '@')
	if i <= 0 || i == len(text)-1 {
		return From{}, fmt.Errorf("%.80q, want RUN@ROUND, such as letters@latest or letters@3", text)
	}
	return From{text[:i], text[i+1:]}, nil
}

// Wrong returns an error about a field of the file that turned out wrong later; it names the line.
func (r *Run) Wrong(field, format string, args ...any) error {
	return r.where.Wrong(field, format, args...)
}

// file is the YAML document.
type file struct {
	Name  string   `yaml:"name"`
	Model model    `yaml:"model"`
	DType string   `yaml:"dtype"`
	Local []string `yaml:"local"`
	Base  string   `yaml:"frozen"`
	Terms `yaml:",inline"`
}

type model struct {
	Init string `yaml:"init"`
	File string `yaml:"file"`
	From string `yaml:"from"`
}

// sources counts what the file says of where the model comes from.
func (m model) sources() (n int) {
	for _, s := range []string{m.Init, m.File, m.From} {
		if s != "" {
			n++
		}
	}
	return n
}

// Parse reads a run file. name is its path, for errors and to find the model's file. Errors are of
// type *yamlfile.Error.
func Parse(name string, data []byte) (Run, error) {
	var f file
	where, err := yamlfile.Decode(name, data, MaxSize, &f)
	if err != nil {
		return Run{}, err
	}
	run, field, err := f.run(name)
	if err != nil {
		return Run{}, where.Wrong(field, "%v", err)
	}
	run.where = where
	return run, nil
}

// run checks what the decoder cannot; on error it returns the field that is at fault.
func (f *file) run(name string) (r Run, field string, err error) {
	switch {
	case f.Name == "":
		return r, "name", errors.New("missing; say what the run is for")
	case f.Model.sources() != 1:
		return r, "model", errors.New("want exactly one of init: trainer, file: PATH and from: RUN@ROUND")
	case f.Model.Init != "" && f.Model.Init != Trainer && f.Model.Init != Builtin:
		return r, "model.init", fmt.Errorf("%q; want trainer: the site's own makes the model; for another one name its file", f.Model.Init)
	}
	if f.Model.From != "" {
		if r.From, err = parseFrom(f.Model.From); err != nil {
			return r, "model.from", err
		}
	}
	if r.Spec, field, err = f.Spec(f.Name); err != nil {
		return r, field, err
	}
	switch f.DType {
	case "", F32:
		r.Wide = true
	case Keep:
	default:
		return r, "dtype", fmt.Errorf("%.20q, want f32, or keep: the model's own", f.DType)
	}
	r.Spec.Constants = ledger.NewConstants(ledger.Beside{Local: f.Local})
	if _, err := r.Spec.Constants.Read(); err != nil {
		return r, "local", fmt.Errorf("want at most %d patterns of tensors' names, such as [\"classifier.*\", \"*.bn*\"], of 1 to %d bytes", ledger.MaxLocal, ledger.MaxTensorName)
	}
	r.Init, r.File, r.Base = f.Model.Init != "", f.Model.File, f.Base
	for _, path := range []*string{&r.File, &r.Base} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(name), *path)
		}
	}
	return r, "", nil
}
