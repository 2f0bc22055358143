package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
)

// Settings are what a site's config.yaml says of its trainer, a type for each kind of trainer: a pointer to a
// struct with yaml tags, into which all that stands below trainer: is read.
type Settings interface {
	// Check returns a *SettingError for the first value that cannot be.
	Check() error
	// New makes the trainer. Its errors say where in the configuration their cause is to be found.
	New(Env) (Trainer, error)
	// Words are what the log says of the trainer at start, names and values.
	Words(Env) []any
	// Override returns an error if a site may not set this hyperparameter of a run for itself.
	Override(name string) error
}

// Initial is implemented by settings of kinds that can make the model which a run starts from.
type Initial interface {
	// InitModel writes it as a safetensors file. It returns ErrHyperparameter for hyperparameters that the kind does not take.
	InitModel(ctx context.Context, path string, hyper map[string]string) error
}

// ErrHyperparameter is returned for hyperparameters that a trainer does not know or take.
var ErrHyperparameter = errors.New("invalid hyperparameter")

// Env is what a site gives a trainer that it makes.
type Env struct {
	Dir     string       // the site's directory, at which relative paths of the settings start
	Config  string       // the file that has the settings, for errors
	RunDir  string       // for sockets and the like
	NoteDir string       // for notes of processes, of this node alone; empty: none are kept
	Log     *slog.Logger // nil drops what the trainer says
}

// Local returns a path of the settings, which starts at the site's directory.
func (e Env) Local(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Dir, path)
}

// SettingError is returned for a setting that is well formed but wrong.
type SettingError struct {
	Field string // below trainer:, such as builtin.data or env[1]; empty: of the settings as a whole
	Err   error  // what is wrong with it, and, as package hint has it, what to do
}

func (e *SettingError) Error() string {
	if e.Field == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Field, e.Err)
}

func (e *SettingError) Unwrap() error { return e.Err }

// kinds are the factories by the field of config.yaml that chooses each kind. A program adds others by importing their packages.
var kinds = map[string]func() Settings{
	"attach":    func() Settings { return &AttachSettings{} },
	"exec":      func() Settings { return &ExecSettings{} },
	"synthetic": func() Settings { return &SyntheticSettings{} },
}

// Register adds a kind of trainer, chosen by a field of its name below trainer: in config.yaml. factory returns the
// settings that hold where the file says nothing. It is called before any configuration is read, and panics for a kind
// that is there.
func Register(kind string, factory func() Settings) {
	if kinds[kind] != nil {
		panic("trainer " + kind + " is registered twice")
	}
	kinds[kind] = factory
}

// Kinds returns the names of the kinds of trainers that this program has, in order.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// NewSettings returns the settings of a kind that hold where config.yaml says nothing; ok is false for an unknown kind.
func NewSettings(kind string) (s Settings, ok bool) {
	factory, ok := kinds[kind]
	if !ok {
		return nil, false
	}
	return factory(), true
}
