package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/train"
	"github.com/weft-mesh/weft/train/builtin"
)

// heldoutBytes of each held-out text are measured, as the trainer itself does after a round: more
// changes the third decimal, and costs time.
const heldoutBytes = 16 << 10

// compare trains every site's model alone, for as many steps as the federation made, and
// measures all models on all held-out texts.
func (d *Demo) compare(ctx context.Context, r *Result) error {
	models := []string{"", d.modelPath()} // base, federated, then each site's own
	alone, err := d.trainAlone(ctx)
	if err != nil {
		return err
	}
	models = append(models, alone...)
	losses := make([][]float64, len(models)) // by model, then by the text's site
	for m, path := range models {
		measured := map[string]float64{} // sites of one kind share the held-out text
		for i, s := range d.sites {
			d.screen.Progress("measuring", m*len(d.sites)+i, len(models)*len(d.sites))
			loss, ok := measured[s.text.Kind]
			if !ok {
				held, err := s.text.Heldout()
				if err != nil {
					return err
				}
				if loss, err = builtin.Evaluate(ctx, path, d.cfg.hyper(), held[:min(len(held), heldoutBytes)], 0); err != nil {
					return fmt.Errorf("measure on the text of %s: %w", s.name, err)
				}
				measured[s.text.Kind] = loss
			}
			losses[m] = append(losses[m], loss)
		}
	}
	d.screen.Progress("", 0, 0)
	for i := range r.Sites {
		s := &r.Sites[i]
		own := losses[2+i]
		s.Base, s.Federated, s.Alone = losses[0][i], losses[1][i], own[i]
		s.BaseOthers, s.FederatedOthers, s.AloneOthers = d.others(losses[0], i), d.others(losses[1], i), d.others(own, i)
	}
	return nil
}

// others is the mean loss on the held-out texts that are not of site i's kind.
func (d *Demo) others(losses []float64, i int) float64 {
	sum, n := 0.0, 0
	for j, s := range d.sites {
		if s.text.Kind != d.sites[i].text.Kind {
			sum, n = sum+losses[j], n+1
		}
	}
	return sum / float64(max(n, 1))
}

// trainAlone trains every site's model alone, all at a time as in the run, and returns their files.
func (d *Demo) trainAlone(ctx context.Context) ([]string, error) {
	var steps atomic.Int64 // done, of all sites
	all := len(d.sites) * d.cfg.Rounds * d.cfg.Steps
	d.screen.Progress("training alone", 0, all)
	paths := make([]string, len(d.sites))
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range d.sites {
		g.Go(func() (err error) {
			paths[i], err = d.alone(ctx, i, func(done int) {
				d.screen.Progress("training alone", int(steps.Add(int64(done))), all)
			})
			if err != nil {
				return fmt.Errorf("train %s alone: %w", s.name, err)
			}
			return nil
		})
	}
	return paths, g.Wait()
}

// alone trains as the run does, rounds and learning rate alike, but never averages. It
// returns the model's file; progress is told of steps as they are done.
func (d *Demo) alone(ctx context.Context, i int, progress func(steps int)) (string, error) {
	t, err := builtin.New(builtin.Config{Data: d.sites[i].text.String(), Workers: local.ThreadsEach(len(d.sites))})
	if err != nil {
		return "", err
	}
	model := d.basePath()
	for r := range d.cfg.Rounds {
		dir := filepath.Join(d.cfg.Dir, fmt.Sprintf("alone-%s-%d", d.sites[i].name, r+1))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", err
		}
		task := train.Task{
			Kind: train.Train, Name: "alone", Round: uint64(r + 1), Rounds: uint64(d.cfg.Rounds), Attempt: 1,
			Base: model, Dir: dir, Seed: uint64(i*d.cfg.Rounds + r + 1), Config: d.cfg.hyper(),
		}
		told := 0
		result, err := t.Run(ctx, task, func(p train.Progress) {
			progress(int(p.Step) - told)
			told = int(p.Step)
		})
		if err != nil {
			return "", err
		}
		model = result.Update
	}
	return model, nil
}
