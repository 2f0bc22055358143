package runfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/weft-mesh/weft/round"
)

// MaxSize is the longest run file, in bytes.
const MaxSize = 64 << 10

// Builtin is the value of model.init: the embedded trainer.
const Builtin = "builtin"

// ErrRunFile is returned for a file that is not a valid run file; the text names file and line.
var ErrRunFile = errors.New("not a valid run file")

// Error says what is wrong where. It is an ErrRunFile.
type Error struct {
	File string
	Line int // 0: the file as a whole
	Text string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Text)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

func (e *Error) Unwrap() error { return ErrRunFile }

// Run is a run as its file describes it.
type Run struct {
	Spec round.RunSpec // without By, Base, Layout and Nonce, which the node fills in
	Init bool          // the embedded trainer makes the model
	File string        // else the safetensors file that holds it
}

// file is the YAML document.
type file struct {
	Name   string            `yaml:"name"`
	Rounds uint64            `yaml:"rounds"`
	Model  model             `yaml:"model"`
	Train  map[string]scalar `yaml:"train"`

	MinSites    uint64 `yaml:"min_sites"`
	SampleCap   uint64 `yaml:"sample_cap"`
	Late        late   `yaml:"late"`
	KeepUpdates bool   `yaml:"keep_updates"`
}

type model struct {
	Init string `yaml:"init"`
	File string `yaml:"file"`
}

type late struct {
	Policy string `yaml:"policy"`
	Weight string `yaml:"weight"`
	Max    uint64 `yaml:"max"`
}

// scalar is a value as it is written: 0.10 stays 0.10, yes stays yes.
type scalar string

var _ yaml.NodeUnmarshaler = (*scalar)(nil)

// UnmarshalYAML takes the node's text.
func (s *scalar) UnmarshalYAML(n ast.Node) error {
	switch v := n.(type) {
	case *ast.StringNode:
		*s = scalar(v.Value)
	case *ast.LiteralNode:
		*s = scalar(v.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		*s = scalar(n.GetToken().Value)
	default:
		return fmt.Errorf("want a number or a word, not %s", strings.ToLower(n.Type().String()))
	}
	return nil
}

// Parse reads a run file. name is its path, for errors and to find the model's file.
func Parse(name string, data []byte) (Run, error) {
	fail := func(line int, format string, args ...any) (Run, error) {
		return Run{}, &Error{name, line, fmt.Sprintf(format, args...)}
	}
	if len(data) > MaxSize {
		return fail(0, "%d bytes, at most %d", len(data), MaxSize)
	}
	doc, err := parser.ParseBytes(data, 0)
	if err != nil {
		line, text := where(err)
		return fail(line, "%s", text)
	}
	if len(doc.Docs) != 1 || doc.Docs[0].Body == nil {
		return fail(0, "%d YAML documents, want one", len(doc.Docs))
	}
	if line := anchors(doc.Docs[0].Body); line > 0 {
		return fail(line, "anchors and aliases are not read")
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		line, text := where(err)
		return fail(line, "%s", text)
	}
	lines := linesOf(doc.Docs[0].Body)
	run, key, err := f.run(name)
	if err != nil {
		return fail(lines[key], "%s: %v", key, err)
	}
	return run, nil
}

// run checks what the decoder cannot; on error it returns the key that is at fault.
func (f *file) run(name string) (Run, string, error) {
	r := Run{Spec: round.RunSpec{
		Name: f.Name, Rounds: f.Rounds, MinSites: f.MinSites, SampleCap: f.SampleCap,
		KeepUpdates: f.KeepUpdates, Train: map[string]string{},
	}}
	for k, v := range f.Train {
		r.Spec.Train[k] = string(v)
	}
	switch {
	case f.Name == "":
		return r, "name", errors.New("missing; say what the run is for")
	case f.Rounds == 0:
		return r, "rounds", errors.New("missing; say how many, 1 or more")
	case (f.Model.Init == "") == (f.Model.File == ""):
		return r, "model", errors.New("want exactly one of init: builtin and file: PATH")
	case f.Model.Init != "" && f.Model.Init != Builtin:
		return r, "model.init", fmt.Errorf("%q; the only one is builtin, for another model name its file", f.Model.Init)
	}
	r.Init, r.File = f.Model.Init != "", f.Model.File
	if r.File != "" && !filepath.IsAbs(r.File) {
		r.File = filepath.Join(filepath.Dir(name), r.File)
	}
	if key, err := f.Late.into(&r.Spec); err != nil {
		return r, key, err
	}
	r.Spec.Default()
	return r, "", nil
}

// into sets the spec's policy; on error it returns the key that is at fault.
func (l late) into(s *round.RunSpec) (string, error) {
	switch l.Policy {
	case "", string(round.Carry):
		s.Late, s.LateNum, s.LateDen, s.LateMax = round.Carry, 1, 2, 2
	case string(round.Drop):
		s.Late = round.Drop
		if l.Weight != "" || l.Max != 0 {
			return "late", errors.New("weight and max belong to policy: carry")
		}
		return "", nil
	default:
		return "late.policy", fmt.Errorf("%q, want carry or drop", l.Policy)
	}
	if l.Max != 0 {
		s.LateMax = l.Max
	}
	if l.Weight == "" {
		return "", nil
	}
	num, den, err := ratio(l.Weight)
	if err != nil {
		return "late.weight", err
	}
	s.LateNum, s.LateDen = num, den
	return "", nil
}

// ratio reads "1/2", or "0.5", as a ratio of integers: 0 < num <= den <= 1000.
func ratio(s string) (num, den uint64, err error) {
	bad := fmt.Errorf("%.20q, want a ratio such as 1/2, more than 0 and at most 1", s)
	if len(s) > 20 {
		return 0, 0, bad
	}
	if a, b, ok := strings.Cut(s, "/"); ok {
		num, err = strconv.ParseUint(strings.TrimSpace(a), 10, 32)
		if err == nil {
			den, err = strconv.ParseUint(strings.TrimSpace(b), 10, 32)
		}
	} else if strings.ContainsAny(s, "eE") {
		err = bad
	} else if r, ok := new(big.Rat).SetString(s); ok && r.Sign() > 0 {
		num, den = r.Num().Uint64(), r.Denom().Uint64()
	}
	if err != nil || num == 0 || num > den || den > 1000 {
		return 0, 0, bad
	}
	return num, den, nil
}
