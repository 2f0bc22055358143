package train

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/yamlfile"
)

// ExecSettings choose a command of the site's own.
type ExecSettings struct {
	Exec []string `yaml:"exec"` // command and arguments
	Dir  string   `yaml:"dir"`  // where it runs; empty: the site's directory
	Env  []string `yaml:"env"`  // NAME=value, over the node's own

	Timeout yamlfile.Duration `yaml:"timeout"` // the longest that a task may take; 0: without limit
	Grace   yamlfile.Duration `yaml:"grace"`   // to save after SIGTERM; 0: 20s, 30s for a launcher
	Idle    yamlfile.Duration `yaml:"idle"`    // how long a process is kept without a task; 0: until its run is over

	MaxProcesses yamlfile.Count `yaml:"max_processes"` // that work at a time, each for a run; 0: 1
}

// maxProcesses is how many runs a mesh may have open at a time.
const maxProcesses = ledger.MaxRuns

var _ Settings = (*ExecSettings)(nil)

// Check looks at the command and the environment.
func (s *ExecSettings) Check() error {
	if len(s.Exec) == 0 || s.Exec[0] == "" {
		return &SettingError{"exec", hint.Add(errors.New("the command is empty"), "such as exec: [python3, train.py]")}
	}
	if s.MaxProcesses > maxProcesses {
		return &SettingError{"max_processes", hint.Add(fmt.Errorf("%d, at most %d", s.MaxProcesses, maxProcesses), "a mesh has no more runs at a time")}
	}
	for i, v := range s.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return &SettingError{fmt.Sprintf("env[%d]", i), fmt.Errorf("%q is not NAME=value", v)}
		}
	}
	return nil
}

// New finds the command; the process is started by the first task.
func (s *ExecSettings) New(e Env) (Trainer, error) {
	t, err := NewExec(ExecConfig{
		Command: s.Exec, Dir: s.dir(e), Env: s.Env, RunDir: e.RunDir, NoteDir: e.NoteDir, Log: e.Log,
		StopGrace: time.Duration(s.Grace), Timeout: time.Duration(s.Timeout), Idle: time.Duration(s.Idle), MaxProcesses: int(s.MaxProcesses),
	})
	switch {
	case err == nil:
		return t, nil
	case e.Config == "":
		return nil, err
	case errors.Is(err, ErrDir):
		return nil, hint.Add(err, "trainer.dir in "+e.Config+" names the folder")
	}
	return nil, hint.Add(err, "trainer.exec in "+e.Config+" names the command")
}

// Words are the command and its folder.
func (s *ExecSettings) Words(e Env) []any {
	return []any{"trainer", strings.Join(s.Exec, " "), "dir", s.dir(e)}
}

// Override lets a site set whatever its script reads.
func (s *ExecSettings) Override(string) error { return nil }

// dir is where the command runs; without a site's directory, the working directory.
func (s *ExecSettings) dir(e Env) string {
	if e.Dir == "" {
		return s.Dir
	}
	return e.Local(cmp.Or(s.Dir, "."))
}
