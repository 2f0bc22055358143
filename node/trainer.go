package node

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// newTrainer returns the trainer that the site has chosen. One that is a process has its socket below runDir, and below
// stateDir what it keeps of each run.
func (h *Home) newTrainer(runDir, stateDir string, log *slog.Logger) (train.Trainer, error) {
	switch c := h.Config.Trainer; {
	case c.Builtin != nil:
		t, err := builtin.New(builtin.Config{Data: h.local(c.Builtin.Data), Heldout: h.local(c.Builtin.Heldout), Workers: int(min(c.Builtin.Workers, math.MaxInt32))})
		if err != nil {
			return nil, hint(err, "trainer.builtin.data in "+h.path(configName)+" names the text")
		}
		return t, nil
	case c.Synthetic != nil:
		return &train.Synthetic{Time: time.Duration(c.Synthetic.Time)}, nil
	default:
		t, err := train.NewExec(train.ExecConfig{
			Command: c.Exec, Dir: h.local(orDot(c.Dir)), Env: c.Env, RunDir: runDir, StateDir: stateDir, Log: log.With("from", "trainer"),
		})
		if err != nil {
			return nil, h.commandError(err)
		}
		return t, nil
	}
}

// choices are what the log says at start of who trains here and in which runs: what a person most likely got wrong.
func (h *Home) choices() []any {
	var list []any
	switch c := h.Config.Trainer; {
	case c.Builtin != nil:
		list = append(list, "trainer", "builtin", "data", h.local(c.Builtin.Data))
	case c.Synthetic != nil:
		list = append(list, "trainer", "synthetic")
	default:
		list = append(list, "trainer", strings.Join(c.Exec, " "), "dir", h.local(orDot(c.Dir)))
	}
	return append(list, "accept", h.Config.Accept.String())
}

// trainerProcess returns the ID of the trainer's process, 0 if none runs.
func (n *Node) trainerProcess() int {
	if t, ok := n.trainer.(interface{ Process() int }); ok {
		return t.Process()
	}
	return 0
}

// commandError adds to an error of the trainer's command where the command, or its folder, is named.
func (h *Home) commandError(err error) error {
	where := "trainer.exec in " + h.path(configName) + " names the command"
	if errors.Is(err, train.ErrDir) {
		where = "trainer.dir in " + h.path(configName) + " names the folder"
	}
	if _, advice := explain(err); advice != "" {
		where = advice + "; " + where
	}
	return hint(err, where)
}

// explain returns an error of a trainer in one line, and what to do about it where that is known.
func explain(err error) (text, advice string) {
	var exit *train.ExitError
	var hinted *HintError
	var known interface{ Hint() string }
	switch {
	case errors.As(err, &exit):
		text, advice, _ = strings.Cut(exit.Brief(), "; hint: ") // as errors of the Python package have it; the log has all that it wrote
		return text, cmp.Or(exit.Hint(), advice)
	case errors.As(err, &hinted):
		return hinted.Err.Error(), hinted.Hint
	case errors.As(err, &known):
		return err.Error(), known.Hint()
	}
	return err.Error(), ""
}

// initModel writes the model that a run with these hyperparameters starts from.
func (t *TrainerConfig) initModel(ctx context.Context, path string, config map[string]string) error {
	if c := t.Synthetic; c != nil {
		return train.InitSynthetic(ctx, path, uint64(c.Bytes), uint64(c.Seed))
	}
	return builtin.InitModel(path, config)
}

func orDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// local returns a path of the configuration, which starts at the site's directory.
func (h *Home) local(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, corpus.Prefix) {
		return path
	}
	return filepath.Join(h.Dir, path)
}
