package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/yamlfile"
)

// Trainer is the site's choice of a trainer: the settings of the one kind that the file names, read and checked by
// that kind.
type Trainer struct {
	train.Settings          // nil: none chosen
	kinds          []string // that the file names
}

// UnmarshalYAML reads the settings of the kind whose name is a field.
func (t *Trainer) UnmarshalYAML(n ast.Node) error {
	*t = Trainer{}
	var others []*ast.MappingValueNode
	for _, f := range fieldsOf(n) {
		if name := f.Key.GetToken().Value; slices.Contains(train.Kinds(), name) {
			t.kinds = append(t.kinds, name)
		} else {
			others = append(others, f)
		}
	}
	if len(t.kinds) == 0 && len(others) > 0 {
		return yamlfile.Wrong(others[0].Key, "%.40q is no trainer; there are %s", others[0].Key.GetToken().Value, strings.Join(train.Kinds(), ", "))
	}
	if len(t.kinds) != 1 {
		return nil // check says so
	}
	t.Settings, _ = train.NewSettings(t.kinds[0])
	return yaml.NodeToValue(n, t.Settings, yaml.Strict())
}

// New makes the trainer.
func (t *Trainer) New(e train.Env) (train.Trainer, error) {
	if t.Settings == nil {
		return nil, fmt.Errorf("%w: trainer: none chosen", ErrInvalid)
	}
	return t.Settings.New(e)
}

// fieldsOf returns the fields of a mapping.
func fieldsOf(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode: // of one field
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// Initial reports whether the site's kind of trainer can make the model that a run starts from.
func (t *Trainer) Initial() bool {
	_, can := t.Settings.(train.Initial)
	return can
}

func (t *Trainer) check() *fieldError {
	all := train.Kinds()
	names := strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
	switch {
	case len(t.kinds) > 1:
		return &fieldError{"trainer", "more than one chosen", "keep one of " + names}
	case t.Settings == nil:
		return &fieldError{"trainer", "none chosen", "one of " + names + "; trainer: {exec: [python3, train.py]} runs your own script"}
	}
	err := t.Check()
	if err == nil {
		return nil
	}
	text, advice := hint.Split(err)
	var wrong *train.SettingError
	if !errors.As(err, &wrong) || wrong.Field == "" {
		return &fieldError{"trainer", text, advice}
	}
	text, advice = hint.Split(wrong.Err)
	return &fieldError{fmt.Sprintf("trainer.%s", wrong.Field), text, advice}
}
