package builtin

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin/corpus"
	"github.com/weft-mesh/weft/yamlfile"
)

// Kind is the field of config.yaml that chooses this trainer; a program that imports the package has it.
const Kind = "builtin"

// DefaultData is the text in a new site's config.yaml.
const DefaultData = corpus.Prefix + "shakespeare"

func init() {
	train.Register(Kind, func() train.Settings { return &Settings{} })
}

// Settings choose the embedded trainer.
type Settings struct {
	Builtin struct {
		Data    string         `yaml:"data"`    // text file, folder of them, or builtin:NAME
		Heldout string         `yaml:"heldout"` // text file for evaluation; empty: the data's end
		Workers yamlfile.Count `yaml:"workers"` // threads; 0: all cores
	} `yaml:"builtin"`
}

var (
	_ train.Settings = (*Settings)(nil)
	_ train.Initial  = (*Settings)(nil)
)

// Check looks at the name of the text.
func (s *Settings) Check() error {
	data := s.Builtin.Data
	if data == "" {
		return &train.SettingError{Field: "builtin.data", Err: hint.Add(errors.New("missing"), "the path of a text file, or "+DefaultData)}
	}
	if strings.HasPrefix(data, corpus.Prefix) {
		if _, err := corpus.Parse(data); err != nil {
			return &train.SettingError{Field: "builtin.data", Err: err}
		}
	}
	return nil
}

// New reads the text.
func (s *Settings) New(e train.Env) (train.Trainer, error) {
	t, err := New(Config{
		Data: local(e, s.Builtin.Data), Heldout: local(e, s.Builtin.Heldout), Workers: int(min(s.Builtin.Workers, math.MaxInt32)),
	})
	if err != nil {
		return nil, hint.Add(err, "trainer.builtin.data in "+e.Config+" names the text")
	}
	return t, nil
}

// Words are the kind and the text.
func (s *Settings) Words(e train.Env) []any {
	return []any{"trainer", Kind, "data", local(e, s.Builtin.Data)}
}

// InitModel writes the model that a run with these hyperparameters starts from.
func (s *Settings) InitModel(_ context.Context, path string, hyper map[string]string) error {
	return InitModel(path, hyper)
}

// overrides are the hyperparameters that leave the layout and the meaning of the parameters alone.
var overrides = []string{"batch", "lr", "steps", "warmup"}

// Override refuses what decides the model that the sites train together.
func (s *Settings) Override(name string) error {
	if slices.Contains(overrides, name) {
		return nil
	}
	return hint.Add(errors.New("a site may not choose this for itself: it decides what the sites train together"),
		"a site may set "+strings.Join(overrides, ", "))
}

// local is a path of the settings, unless it names a sample or nothing.
func local(e train.Env, path string) string {
	if path == "" || strings.HasPrefix(path, corpus.Prefix) {
		return path
	}
	return e.Local(path)
}
