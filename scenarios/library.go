package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

//go:embed library/*.yaml template.yaml
var files embed.FS

// Library returns the scenarios that weft brings along, by name.
func Library() ([]*Scenario, error) {
	entries, err := files.ReadDir("library")
	if err != nil {
		return nil, err
	}
	var all []*Scenario
	for _, e := range entries {
		s, err := Open(strings.TrimSuffix(e.Name(), ".yaml"))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Template returns a scenario file to begin with, commented.
func Template() string {
	b, err := files.ReadFile("template.yaml")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

// Open returns the scenario of the library with that name, or in the file of that path.
func Open(name string) (*Scenario, error) {
	if !strings.ContainsAny(name, "/\\.") {
		b, err := files.ReadFile(path.Join("library", name+".yaml"))
		if err != nil {
			return nil, fmt.Errorf("%w: the library has no %q", ErrUnknown, name)
		}
		return Parse(name+".yaml", b)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return Parse(name, b)
}
