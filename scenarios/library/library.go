package library

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weft-mesh/weft/scenarios"
)

//go:embed *.yaml
var files embed.FS

// ErrUnknown is returned for a name that no scenario of the library has.
var ErrUnknown = errors.New("unknown scenario")

// All returns the scenarios that weft brings along, by name.
func All() ([]*scenarios.Scenario, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []*scenarios.Scenario
	for _, e := range entries {
		s, err := Open(strings.TrimSuffix(e.Name(), ".yaml"))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Open returns the scenario of the library with that name, or in the file of that path.
func Open(name string) (*scenarios.Scenario, error) {
	if !strings.ContainsAny(name, "/\\.") {
		b, err := files.ReadFile(name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("%w: the library has no %q", ErrUnknown, name)
		}
		return scenarios.Parse(name+".yaml", b)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, scenarios.MaxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return scenarios.Parse(name, b)
}
