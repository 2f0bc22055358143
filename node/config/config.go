package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"

	"github.com/weft-mesh/weft/yamlfile"
)

// ErrInvalid is returned for a configuration that cannot be.
var ErrInvalid = errors.New("configuration")

const maxConfig = 1 << 20 // bytes of config.yaml

// Config is a site's own configuration, the file config.yaml. Nothing of it is known to the mesh;
// [DefaultYAML] documents every field.
type Config struct {
	Name        string                    `yaml:"name"`
	Listen      []string                  `yaml:"listen"`
	Announce    []string                  `yaml:"announce"`
	Bootstrap   []string                  `yaml:"bootstrap"`
	Trainer     Trainer                   `yaml:"trainer"`
	Accept      Accept                    `yaml:"accept"`
	Evaluate    bool                      `yaml:"evaluate"`
	Cross       Cross                     `yaml:"cross_evaluate"`
	Samples     yamlfile.Count            `yaml:"samples"`      // that it says it has to train on; 0: it does not say
	MaxModel    yamlfile.Size             `yaml:"max_model"`    // bytes that a run may take; 0: any
	DiskReserve yamlfile.Size             `yaml:"disk_reserve"` // bytes of the disk that stay free; 0: as much as the store leaves by itself
	KeepModels  yamlfile.Count            `yaml:"keep_models"`
	KeepUpdates bool                      `yaml:"keep_updates"`
	Metrics     string                    `yaml:"metrics"`      // TCP address at which Prometheus metrics are served; empty: only at the local API's socket
	ShareErrors bool                      `yaml:"share_errors"` // the other sites see the words of what goes wrong here, not its class alone
	Log         Log                       `yaml:"log"`
	Train       map[string]yamlfile.Value `yaml:"train"`
}

// Cross is whether this site has a part in the cross-site evaluation of runs that ask for it.
type Cross struct {
	Measure  bool `yaml:"measure"`  // with its data it measures the others' last updates
	Measured bool `yaml:"measured"` // the others may measure its own
}

// Log is what the node says of itself on standard error.
type Log struct {
	Level  Level  `yaml:"level"`
	Format string `yaml:"format"` // text or json
}

// DefaultKeepModels is the keep_models of a config.yaml that does not say.
const DefaultKeepModels = 3

// DefaultListen is where a site listens unless told otherwise.
func DefaultListen() []string {
	return []string{"/ip4/0.0.0.0/tcp/4801", "/ip4/0.0.0.0/udp/4801/quic-v1"}
}

// Default is a config.yaml that says nothing but the name, and so names no trainer.
func Default(name string) *Config {
	return &Config{
		Name: name, Listen: DefaultListen(), Accept: Accept{Policy: AcceptAsk}, KeepModels: DefaultKeepModels,
		Log: Log{Level: Level(slog.LevelInfo), Format: "text"},
	}
}

// Read reads a config.yaml. Its errors are ErrInvalid and name file, line and field.
func Read(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return Parse(path, data)
}

// Parse reads the text of a config.yaml; name stands in its errors.
func Parse(name string, data []byte) (*Config, error) {
	c := Default("")
	f, err := yamlfile.Decode(name, data, maxConfig, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, check := range []func() *fieldError{c.checkName, c.checkAddrs, c.Trainer.check, c.checkRest} {
		if e := check(); e != nil {
			return nil, e.in(f)
		}
	}
	return c, nil
}

// Overlay returns a run's hyperparameters with the site's own in their place.
func (c *Config) Overlay(run map[string]string) map[string]string {
	all := maps.Clone(run)
	if all == nil {
		all = map[string]string{}
	}
	for k, v := range c.Train {
		all[k] = string(v)
	}
	return all
}
