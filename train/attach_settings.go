package train

import (
	"errors"
	"path/filepath"

	"github.com/weft-mesh/weft/hint"
)

// AttachSettings let a process train that somebody else starts.
type AttachSettings struct {
	Attach bool `yaml:"attach"`
}

var _ Settings = (*AttachSettings)(nil)

// Check wants it to be said.
func (s *AttachSettings) Check() error {
	if !s.Attach {
		return &SettingError{"attach", hint.Add(errors.New("false is no trainer"), "attach: true waits for a script that says weft.init(node=DIR)")}
	}
	return nil
}

// New listens in the site's directory.
func (s *AttachSettings) New(e Env) (Trainer, error) {
	if e.Dir == "" {
		return nil, hint.Add(errors.New("a script is attached to a site's node, and there is no site"), "name the site's directory with --dir, or a command")
	}
	return NewAttach(filepath.Join(e.Dir, AttachSocket), e.RunDir, e.Log)
}

// Words are where it comes to.
func (s *AttachSettings) Words(e Env) []any {
	return []any{"trainer", "attached", "socket", filepath.Join(e.Dir, AttachSocket)}
}

// Override lets a site set whatever its script reads.
func (s *AttachSettings) Override(string) error { return nil }
