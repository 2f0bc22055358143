package train

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/weft-mesh/weft/yamlfile"
)

// SyntheticSettings choose a trainer that trains nothing, for trying out a mesh.
type SyntheticSettings struct {
	Synthetic struct {
		Bytes yamlfile.Size     `yaml:"bytes"` // of the model that a run begun with init starts from; 0: 50 MB
		Time  yamlfile.Duration `yaml:"time"`  // of one training
		Seed  yamlfile.Count    `yaml:"seed"`  // of the initial model

		Varies bool `yaml:"varies"` // a task done again yields another update, as on a GPU
	} `yaml:"synthetic"`
}

const defaultSynthetic yamlfile.Size = 50 * 1000 * 1000

var (
	_ Settings = (*SyntheticSettings)(nil)
	_ Initial  = (*SyntheticSettings)(nil)
)

// Check looks at the time.
func (s *SyntheticSettings) Check() error {
	if t := s.Synthetic.Time; t > yamlfile.Duration(24*time.Hour) {
		return &SettingError{"synthetic.time", fmt.Errorf("%s is more than a day", time.Duration(t))}
	}
	return nil
}

// New returns the trainer.
func (s *SyntheticSettings) New(Env) (Trainer, error) {
	return &Synthetic{Time: time.Duration(s.Synthetic.Time), Varies: s.Synthetic.Varies}, nil
}

// Words name the kind.
func (s *SyntheticSettings) Words(Env) []any { return []any{"trainer", "synthetic"} }

// Override lets a site set anything, as nothing is read.
func (s *SyntheticSettings) Override(string) error { return nil }

// InitModel writes a model of the size that is set.
func (s *SyntheticSettings) InitModel(ctx context.Context, path string, _ map[string]string) error {
	return InitSynthetic(ctx, path, uint64(cmp.Or(s.Synthetic.Bytes, defaultSynthetic)), uint64(s.Synthetic.Seed))
}
