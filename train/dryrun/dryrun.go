package dryrun

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
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/update"
)

// ErrBase is returned for a model that no training can start from.
var ErrBase = errors.New("the model to start from")

// Config describes a dry run of a trainer.
type Config struct {
	Dir     string            // the site's directory, whose config.yaml chooses the trainer
	Command []string          // a command to try in place of that, in the working directory; no configuration is read then
	Base    string            // safetensors file to start from; empty: what a run begins with that says init: builtin
	Local   []string          // patterns of the tensors that stay at the site: they are in no update
	Train   map[string]string // the run's hyperparameters; the site's own take their place
	Rounds  uint64            // that the trainer is told of
	Measure bool              // have it measure each model before it trains from it, as a site does that says evaluate: true
	Bare    bool              // measure no model unless Measure is called, whatever the site's configuration says
	Log     *slog.Logger      // gets what the trainer writes; nil drops it
}

// Run is a dry run of a trainer, without a mesh: it gets tasks as from its node, and what it makes of them is taken, or
// refused, as by its node.
type Run struct {
	conf    Config
	site    *config.Config
	dir     string // the dry run's own, removed by Close
	store   *blockstore.Disk
	trainer train.Trainer
	base    block.CID // manifest of the next round's
	layout  block.CID
	beside  ledger.Beside // what the model has beside its weights
	local   []string      // names of tensors that stay at the site
	round   uint64
}

// Round is what a trainer made of a round.
type Round struct {
	Round    uint64             `json:"round"`
	Samples  uint64             `json:"samples"`
	Metrics  map[string]float64 `json:"metrics"`            // that an update can carry
	Measured *ledger.Measured   `json:"measured,omitempty"` // of what the round began from; absent if it was not measured
	Took     time.Duration      `json:"took"`
	Bytes    int64              `json:"bytes"`             // of the update
	Skipped  string             `json:"skipped,omitempty"` // why it made none of this round
}

// New takes in the model to start from and makes the trainer. Errors are ErrBase if the model is at fault,
// train.ErrCommand if the command is, config.ErrInvalid or site.ErrNotInitialised if the directory is. Close ends it.
func New(ctx context.Context, c Config) (*Run, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h, err := c.home()
	if err != nil {
		return nil, err
	}
	d := &Run{conf: c, site: h.Config}
	if d.dir, err = os.MkdirTemp("", "weft-dryrun-"); err != nil {
		return nil, err
	}
	if err := d.open(ctx, h); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// home returns the directory that chooses the trainer. It may belong to no mesh yet.
func (c *Config) home() (*site.Home, error) {
	if len(c.Command) > 0 {
		return &site.Home{Config: &config.Config{Trainer: config.Trainer{Settings: &train.ExecSettings{Exec: c.Command}}}}, nil
	}
	h := &site.Home{Dir: c.Dir}
	if _, err := os.Stat(h.Path(site.ConfigFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Add(fmt.Errorf("%s: %w: no %s", c.Dir, site.ErrNotInitialised, site.ConfigFile),
			"run weft init, name the directory with --dir, or name the command: weft trainer test --base FILE -- python3 train.py")
	}
	var err error
	h.Config, err = config.Read(h.Path(site.ConfigFile))
	return h, err
}

// open makes what Close ends.
func (d *Run) open(ctx context.Context, h *site.Home) (err error) {
	if d.trainer, err = d.newTrainer(h); err != nil {
		return err
	}
	if d.store, err = blockstore.OpenDisk(filepath.Join(d.dir, site.StoreDir), blockstore.Options{Logger: d.conf.Log}); err != nil {
		return err
	}
	return d.importBase(ctx)
}

func (d *Run) newTrainer(h *site.Home) (train.Trainer, error) {
	e := h.TrainerEnv(d.dir, d.conf.Log)
	if h.Dir == "" {
		e.Config = "" // the command stands on the command line
	}
	return h.Config.Trainer.New(e)
}

// importBase takes in the model to start from; a file that was named stays as it is.
func (d *Run) importBase(ctx context.Context) (err error) {
	path := d.conf.Base
	switch {
	case path == "" && !d.site.Trainer.Initial():
		if path, err = d.makeBase(ctx); err != nil {
			return err
		}
	case path == "":
		path = filepath.Join(d.dir, "initial.safetensors")
		if err := d.site.Trainer.Settings.(train.Initial).InitModel(ctx, path, d.conf.Train); err != nil {
			return fmt.Errorf("make the initial model: %w", err)
		}
	}
	i, err := checkpoint.Import(ctx, d.store, path, d.dir, d.conf.Local, blockstore.ImportOptions{Finite: true, Wide: true, Keep: d.conf.Base != ""})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blockstore.ErrFull):
		return hint.Add(err, "a dry run needs thrice the model's size below "+os.TempDir()+"; TMPDIR names another folder")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrBase, err)
	case errors.Is(err, checkpoint.ErrLocal):
		return hint.Add(fmt.Errorf("%w: %w", ErrBase, err), "a pattern is of whole names: * stands for any text, dots too")
	case err != nil:
		return hint.Add(fmt.Errorf("%w: %w", ErrBase, err), train.HintOfBase(err))
	}
	if note := i.Rounded.String(); note != "" {
		d.conf.Log.Warn("the model was converted", "how", note)
	}
	d.base, d.beside, d.local = i.Weights, i.Beside, i.Local
	m, err := blockstore.ReadManifest(d.store, d.base)
	d.layout = m.Layout
	return err
}

// makeBase has the trainer make the model to start from.
func (d *Run) makeBase(ctx context.Context) (string, error) {
	dir := filepath.Join(d.dir, "init")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	res, err := d.trainer.Run(ctx, d.initTask(dir), nil)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		text, advice := train.Explain(err)
		return "", hint.Add(fmt.Errorf("%w: none named, and the script makes none: %s", ErrBase, text),
			cmp.Or(advice, "what it wrote is above")+"; or name a safetensors file with --base: in Python weft.save(model, FILE) writes one")
	}
	return res.Update, nil
}

// Round has the trainer train for a round, from what it made of the round before, and takes its update over.
func (d *Run) Round(ctx context.Context, report func(train.Progress)) (r Round, err error) {
	var base *ledger.Measured
	if !d.conf.Bare && (d.conf.Measure || d.site.Evaluate) {
		of, err := d.Measure(ctx, report)
		if err != nil {
			return r, err
		}
		base = &of
	}
	d.round++
	task, err := d.newTask(train.Train, d.round)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	begun := time.Now()
	res, err := d.trainer.Run(ctx, task, report)
	r = Round{Round: d.round, Samples: res.Samples, Metrics: update.Metrics(d.conf.Log, res.Metrics, ledger.MaxMetrics), Measured: base, Took: time.Since(begun)}
	if r.Skipped = res.Skip; err == nil && r.Skipped != "" {
		return r, nil
	}
	var taken update.Taken
	if err == nil {
		taken, err = update.Training{Spec: &ledger.RunSpec{Layout: d.layout}, Base: d.base, Bounded: true, Result: res}.Take(ctx, d.store)
		res.Settle(err)
	}
	made := taken.Manifest
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case err != nil:
		return r, hinted(err)
	}
	if r.Bytes, err = d.size(made); err == nil && made != d.base {
		err = d.store.DeleteArtifact(d.base)
	}
	d.base = made
	return r, err
}

// Measure has the trainer measure the model that the next round starts from.
func (d *Run) Measure(ctx context.Context, report func(train.Progress)) (m ledger.Measured, err error) {
	task, err := d.newTask(train.Evaluate, d.round)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(task.Dir)) }()
	began := time.Now()
	res, err := d.trainer.Run(ctx, task, report)
	switch {
	case ctx.Err() != nil:
		return m, ctx.Err()
	case err != nil:
		return m, hinted(err)
	}
	return update.Measured(d.conf.Log, res, time.Since(began)), nil
}

func (d *Run) newTask(kind train.Kind, number uint64) (train.Task, error) {
	base, err := d.store.Path(d.base)
	if err != nil {
		return train.Task{}, err
	}
	constants := ""
	if d.beside.Tensors.Defined() {
		if constants, err = d.store.Path(d.beside.Tensors); err != nil {
			return train.Task{}, err
		}
	}
	state := filepath.Join(d.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return train.Task{}, fmt.Errorf("folder of the run: %w", err)
	}
	dir := filepath.Join(d.dir, fmt.Sprintf("task-%d", number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return train.Task{}, fmt.Errorf("folder of the task: %w", err)
	}
	run := []byte("weft trainer test") // there is no run that it could be the CID of
	return train.Task{
		Kind: kind, Run: block.Sum(block.Raw, run).String(), Name: "test", Site: d.site.Name, Round: number, Rounds: d.conf.Rounds, Attempt: 1,
		Base: base, Constants: constants, Aliases: d.beside.Aliases, Adapter: d.beside.Adapter, Frozen: d.beside.Frozen, Local: d.local, Dir: dir, StateDir: state, Seed: update.Seed(run, number), Config: d.site.Overlay(d.conf.Train),
	}, nil
}

// size returns the bytes of an artifact's file.
func (d *Run) size(manifest block.CID) (int64, error) {
	path, err := d.store.Path(manifest)
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
func (d *Run) Export(w io.Writer) error { return d.store.Export(d.base, w) }

// Close ends the trainer, and removes all that it has written.
func (d *Run) Close() error {
	var errs []error
	if c, ok := d.trainer.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// hinted returns an error of a trainer as it is shown to a person who has seen what the trainer wrote.
func hinted(err error) error {
	text, advice := train.Explain(err)
	switch {
	case errors.As(err, new(*train.ExitError)):
		return hint.Add(errors.New(text), cmp.Or(advice, "what the trainer wrote is above"))
	case errors.As(err, new(*hint.Error)) || advice == "":
		return err
	}
	return hint.Add(err, advice)
}
