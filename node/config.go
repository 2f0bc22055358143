package node

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"

	"github.com/weft-mesh/weft/yamlfile"
)

// Config is a site's own configuration, the file config.yaml. Nothing of it is known to the mesh;
// [DefaultConfigYAML] documents every field.
type Config struct {
	Name        string                     `yaml:"name"`
	Listen      []string                   `yaml:"listen"`
	Announce    []string                   `yaml:"announce"`
	Bootstrap   []string                   `yaml:"bootstrap"`
	Trainer     TrainerConfig              `yaml:"trainer"`
	Accept      Accept                     `yaml:"accept"`
	Evaluate    bool                       `yaml:"evaluate"`
	KeepModels  yamlfile.Count             `yaml:"keep_models"`
	KeepUpdates bool                       `yaml:"keep_updates"`
	Log         LogConfig                  `yaml:"log"`
	Train       map[string]yamlfile.Scalar `yaml:"train"`
}

// TrainerConfig chooses the site's trainer: exactly one of the fields is set.
type TrainerConfig struct {
	Builtin   *BuiltinConfig   `yaml:"builtin"`
	Exec      []string         `yaml:"exec"` // command and arguments
	Dir       string           `yaml:"dir"`  // of the command; relative to the site's directory
	Env       []string         `yaml:"env"`  // NAME=value, over the node's own
	Synthetic *SyntheticConfig `yaml:"synthetic"`
}

// BuiltinConfig is the embedded trainer's.
type BuiltinConfig struct {
	Data    string         `yaml:"data"`    // text file, folder of them, or builtin:NAME
	Heldout string         `yaml:"heldout"` // text file for evaluation; empty: the data's end
	Workers yamlfile.Count `yaml:"workers"` // threads; 0: all cores
}

// SyntheticConfig is a trainer's that trains nothing, for trying out a mesh.
type SyntheticConfig struct {
	Bytes yamlfile.Size     `yaml:"bytes"` // of the model that a run begun with Init starts from
	Time  yamlfile.Duration `yaml:"time"`  // of one training
	Seed  yamlfile.Count    `yaml:"seed"`  // of the initial model
}

// LogConfig is what the node says of itself on standard error.
type LogConfig struct {
	Level  Level  `yaml:"level"`
	Format string `yaml:"format"` // text or json
}

// Default values of config.yaml.
const (
	DefaultKeepModels = 3
	defaultSynthetic  = 50 * 1000 * 1000
)

// DefaultListen is where a site listens unless told otherwise.
func DefaultListen() []string {
	return []string{"/ip4/0.0.0.0/tcp/4801", "/ip4/0.0.0.0/udp/4801/quic-v1"}
}

// DefaultConfig is a config.yaml that says nothing but the name.
func DefaultConfig(name string) *Config {
	return &Config{
		Name: name, Listen: DefaultListen(), Accept: Accept{Policy: AcceptAsk}, KeepModels: DefaultKeepModels,
		Log:     LogConfig{Level: Level(slog.LevelInfo), Format: "text"},
		Trainer: TrainerConfig{Builtin: &BuiltinConfig{Data: "builtin:shakespeare"}},
	}
}

// ReadConfig reads a config.yaml. Its errors are ErrConfig and name file, line and field.
func ReadConfig(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return ParseConfig(path, data)
}

// ParseConfig reads the text of a config.yaml; name stands in its errors.
func ParseConfig(name string, data []byte) (*Config, error) {
	c := DefaultConfig("")
	c.Trainer = TrainerConfig{}
	f, err := yamlfile.Decode(name, data, maxConfig, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, check := range []func() *fieldError{c.checkName, c.checkAddrs, c.Trainer.check, c.checkRest} {
		if e := check(); e != nil {
			return nil, e.in(f)
		}
	}
	return c, nil
}

// builtinOverrides are the hyperparameters of the embedded trainer that a site may set for itself:
// those that leave the layout and the meaning of the parameters alone.
var builtinOverrides = []string{"batch", "lr", "steps", "warmup"}

// overlay returns a run's hyperparameters with the site's own in their place.
func (c *Config) overlay(run map[string]string) map[string]string {
	all := maps.Clone(run)
	if all == nil {
		all = map[string]string{}
	}
	for k, v := range c.Train {
		all[k] = string(v)
	}
	return all
}
