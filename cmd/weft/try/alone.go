package try

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/train/dryrun"
)

// Alone is a site's model that it trained alone, in as many rounds as the mesh, and what the sites measured of it.
type Alone struct {
	Site     string  `json:"site"`
	Measured Figures `json:"measured"`
}

// alone has every site train alone from the base, and every site measure what came of it; tell is told what goes on. The sites'
// directories are those of a try that is over.
type alone struct {
	cfg  *Config
	dir  string // for the models
	base string // file
	tell func(format string, args ...any)
}

// TrainAlone adds to a result what the sites get alone. It is called after Run, with the base that Run's result names in a file.
func (t *Try) TrainAlone(ctx context.Context, r *Result, base string) error {
	a := &alone{cfg: &t.cfg, dir: filepath.Dir(base), base: base, tell: t.Screen.line}
	for i, s := range t.cfg.Sites {
		a.tell("training alone: %s, %d of %d", s.Name, i+1, len(t.cfg.Sites))
		model, err := a.train(ctx, s.Name)
		if err != nil {
			return err
		}
		all := Alone{s.Name, Figures{}}
		for _, by := range t.cfg.Sites {
			if all.Measured[by.Name], err = a.measure(ctx, by.Name, model); err != nil {
				return err
			}
		}
		r.Alone = append(r.Alone, all)
	}
	return nil
}

// open returns a dry run of a site's trainer from a model.
func (a *alone) open(ctx context.Context, site, model string) (*dryrun.Run, error) {
	return dryrun.New(ctx, dryrun.Config{Dir: filepath.Join(a.cfg.Dir, site), Base: model, Train: a.cfg.Run.Train, Rounds: a.cfg.Run.Rounds, Bare: true})
}

// train returns the file of the model that a site gets alone.
func (a *alone) train(ctx context.Context, site string) (path string, err error) {
	run, err := a.open(ctx, site, a.base)
	if err != nil {
		return "", fmt.Errorf("train %s alone: %w", site, err)
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	for range a.cfg.Run.Rounds {
		if _, err := run.Round(ctx, nil); err != nil {
			return "", fmt.Errorf("train %s alone: %w", site, err)
		}
	}
	path = filepath.Join(a.dir, "alone-"+site+".safetensors")
	return path, export(path, run.Export)
}

// measure returns what a site measures of a model.
func (a *alone) measure(ctx context.Context, site, model string) (m ledger.Measured, err error) {
	run, err := a.open(ctx, site, model)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	return run.Measure(ctx, nil)
}

func export(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
