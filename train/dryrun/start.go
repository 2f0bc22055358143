package dryrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/update"
)

// Start starts the trainer that a site's configuration names, without a model, and ends it again. It returns nil once the
// trainer has asked for its task: the command is there, and what the script imports.
func Start(ctx context.Context, c Config) (err error) {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	h, err := c.home()
	if err != nil {
		return err
	}
	d := &Run{conf: c, site: h.Config}
	if d.dir, err = os.MkdirTemp("", "weft-dryrun-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if d.trainer, err = d.newTrainer(h); err != nil {
		return err
	}
	_, err = d.trainer.Run(ctx, d.initTask(d.dir), nil)
	var exit *train.ExitError
	if errors.Is(err, train.ErrNoUpdate) || errors.As(err, &exit) && exit.Asked {
		return nil // it has asked for the task, and makes no model of its own
	}
	if err != nil && ctx.Err() == nil {
		text, advice := train.Explain(err)
		return hint.Add(fmt.Errorf("%s", text), advice)
	}
	return err
}

// initTask is the task of making the model to start from.
func (d *Run) initTask(dir string) train.Task {
	return train.Task{
		Kind: train.Init, Name: "test", Site: d.site.Name, Rounds: d.conf.Rounds, Attempt: 1, Dir: dir,
		Seed: update.Seed([]byte("weft trainer test"), 0), Config: d.site.Overlay(d.conf.Train),
	}
}
