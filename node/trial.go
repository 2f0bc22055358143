package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/train"
)

// ErrBase is returned for a model that no training can start from.
var ErrBase = errors.New("the model to start from")

// TrialConfig describes a dry run of a trainer.
type TrialConfig struct {
	Dir     string            // the site's directory, whose config.yaml chooses the trainer
	Command []string          // a command to try in place of that, in the working directory; no configuration is read then
	Base    string            // safetensors file to start from; empty: what a run begins with that says init: builtin
	Train   map[string]string // the run's hyperparameters; the site's own take their place
	Rounds  uint64            // that the trainer is told of
	Measure bool              // have it measure each model before it trains from it, as a site does that says evaluate: true
	Log     *slog.Logger      // gets what the trainer writes; nil drops it
}

// Trial is a dry run of a trainer, without a mesh: it gets tasks as from its node, and what it makes of them is taken, or
// refused, as by its node.
type Trial struct {
	conf    TrialConfig
	site    *Config
	dir     string // the trial's own, removed by Close
	store   *blockstore.Disk
	trainer train.Trainer
	base    block.CID // manifest of the next round's
	layout  block.CID
	shard   uint64 // elements
	round   uint64
}

// TrialRound is what a trainer made of a round of a trial.
type TrialRound struct {
	Round   uint64             `json:"round"`
	Samples uint64             `json:"samples"`
	Metrics map[string]float64 `json:"metrics"` // that an update can carry
	Took    time.Duration      `json:"took"`
	Bytes   int64              `json:"bytes"` // of the update
}

// NewTrial takes in the model to start from and makes the trainer. Errors are ErrBase if the model is at fault,
// train.ErrCommand if the command is, ErrConfig or ErrNotInitialised if the directory is. Close ends the trial.
func NewTrial(ctx context.Context, c TrialConfig) (*Trial, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h, err := c.home()
	if err != nil {
		return nil, err
	}
	t := &Trial{conf: c, site: h.Config}
	if t.dir, err = os.MkdirTemp("", "weft-trial-"); err != nil {
		return nil, err
	}
	if err := t.open(ctx, h); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// home returns the directory that chooses the trainer. It may belong to no mesh yet.
func (c *TrialConfig) home() (*Home, error) {
	if len(c.Command) > 0 {
		return &Home{Config: &Config{Trainer: TrainerConfig{Exec: c.Command}}}, nil
	}
	h := &Home{Dir: c.Dir}
	if _, err := os.Stat(h.path(configName)); errors.Is(err, fs.ErrNotExist) {
		return nil, hint(fmt.Errorf("%s: %w: no %s", c.Dir, ErrNotInitialised, configName),
			"run weft init, name the directory with --dir, or name the command: weft trainer test --base FILE -- python3 train.py")
	}
	var err error
	h.Config, err = ReadConfig(h.path(configName))
	return h, err
}

// open makes what Close ends.
func (t *Trial) open(ctx context.Context, h *Home) (err error) {
	if t.trainer, err = t.newTrainer(h); err != nil {
		return err
	}
	if t.store, err = blockstore.OpenDisk(filepath.Join(t.dir, storeName), blockstore.Options{Logger: t.conf.Log}); err != nil {
		return err
	}
	return t.importBase(ctx)
}

func (t *Trial) newTrainer(h *Home) (train.Trainer, error) {
	if len(t.conf.Command) == 0 {
		return h.newTrainer(t.dir, filepath.Join(t.dir, stateName), t.conf.Log)
	}
	e, err := train.NewExec(train.ExecConfig{Command: t.conf.Command, RunDir: t.dir, StateDir: filepath.Join(t.dir, stateName), Log: t.conf.Log.With("from", "trainer")})
	if err != nil {
		return nil, hinted(err)
	}
	return e, nil
}

// modelHint says what a file must be to be a run's base, and how to make it so.
const modelHint = "a model is a safetensors file with elements F32, F16 or BF16, all finite; in Python " +
	"weft.safetensors.save_file(weft.safetensors.load_file(FILE), NEW) converts float64 and leaves out whole numbers"

// importBase takes in the model to start from; a file that was named stays as it is.
func (t *Trial) importBase(ctx context.Context) (err error) {
	path := t.conf.Base
	switch {
	case path == "" && t.site.Trainer.Exec != nil:
		return hint(fmt.Errorf("%w: none named", ErrBase),
			`name a safetensors file with --base; in Python, weft.safetensors.save_file(model.state_dict(), "initial.safetensors") writes one`)
	case path == "":
		path = filepath.Join(t.dir, "initial.safetensors")
		if err := t.site.Trainer.initModel(ctx, path, t.conf.Train); err != nil {
			return fmt.Errorf("make the initial model: %w", err)
		}
	}
	t.base, err = t.store.Import(ctx, path, blockstore.ImportOptions{Finite: true, Keep: t.conf.Base != ""})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blockstore.ErrFull):
		return hint(err, "a trial needs thrice the model's size below "+os.TempDir()+"; TMPDIR names another folder")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrBase, err)
	case err != nil:
		return hint(fmt.Errorf("%w: %w", ErrBase, err), modelHint)
	}
	m, err := readManifest(t.store, t.base)
	t.layout, t.shard = m.Layout, m.ShardElements
	return err
}

// Round has the trainer train for a round, from what it made of the round before, and takes its update over.
func (t *Trial) Round(ctx context.Context, report func(train.Progress)) (r TrialRound, err error) {
	t.round++
	var base map[string]float64
	if t.conf.Measure || t.site.Evaluate {
		if base, err = t.measure(ctx, report); err != nil {
			return r, err
		}
	}
	task, err := t.newTask(train.Train, t.round)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	begun := time.Now()
	res, err := t.trainer.Run(ctx, task, report)
	r = TrialRound{Round: t.round, Samples: res.Samples, Metrics: withBase(sendable(t.conf.Log, res.Metrics), base), Took: time.Since(begun)}
	var update block.CID
	if err == nil {
		update, err = takeUpdate(ctx, t.store, res, t.layout, t.shard)
	}
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case err != nil:
		return r, hinted(err)
	}
	if r.Bytes, err = t.size(update); err == nil && update != t.base {
		err = t.store.DeleteArtifact(t.base)
	}
	t.base = update
	return r, err
}

// measure has the trainer measure the model that the round starts from, and returns the metrics as an update carries them.
func (t *Trial) measure(ctx context.Context, report func(train.Progress)) (_ map[string]float64, err error) {
	task, err := t.newTask(train.Evaluate, t.round-1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	res, err := t.trainer.Run(ctx, task, report)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, hinted(err)
	}
	return ofBase(sendable(t.conf.Log, res.Metrics)), nil
}

func (t *Trial) newTask(kind train.Kind, number uint64) (train.Task, error) {
	base, err := t.store.Path(t.base)
	if err != nil {
		return train.Task{}, err
	}
	dir := filepath.Join(t.dir, fmt.Sprintf("task-%d", number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return train.Task{}, fmt.Errorf("folder of the task: %w", err)
	}
	run := []byte("weft trainer test") // there is no run that it could be the CID of
	return train.Task{
		Kind: kind, Run: block.Sum(block.Raw, run).String(), Name: "test", Round: number, Rounds: t.conf.Rounds, Attempt: 1,
		Base: base, Dir: dir, Seed: seedOf(run, number), Config: t.site.overlay(t.conf.Train),
	}, nil
}

// size returns the bytes of an artifact's file.
func (t *Trial) size(manifest block.CID) (int64, error) {
	path, err := t.store.Path(manifest)
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Export writes the last update, before the first round the model that it starts from, as a safetensors file.
func (t *Trial) Export(w io.Writer) error { return t.store.Export(t.base, w) }

// Close ends the trainer, and removes all that the trial has written.
func (t *Trial) Close() error {
	var errs []error
	if c, ok := t.trainer.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if t.store != nil {
		errs = append(errs, t.store.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(t.dir))...)
}

// hinted returns an error of a trainer as a person is told of it who has seen what the trainer wrote.
func hinted(err error) error {
	text, advice := explain(err)
	switch {
	case errors.As(err, new(*train.ExitError)):
		return hint(errors.New(text), cmp.Or(advice, "what the trainer wrote is above"))
	case errors.As(err, new(*HintError)) || advice == "":
		return err
	}
	return hint(err, advice)
}
