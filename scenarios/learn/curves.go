package learn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/train/builtin"
)

// Measure adds the curves of models that real nodes have trained, of which a folder has the files, each CID.safetensors.
// What training without the mesh comes to is the same whoever plays: it is taken from a simulation, if there is one.
func Measure(ctx context.Context, r *scenarios.Recording, dir string, simulated *scenarios.Recording) error {
	l, err := New(ctx, r.Scenario, dir, func(string, ...any) {})
	if err != nil {
		return err
	}
	if r.Curves, err = l.federated(r); err != nil {
		return err
	}
	if simulated != nil {
		for _, c := range simulated.Curves {
			if c.Name != scenarios.Federated {
				r.Curves = append(r.Curves, c)
			}
		}
	}
	return nil
}

// Curves measures the mesh's models, and what would have come of training without it.
func (l *Learner) Curves(r *scenarios.Recording) ([]scenarios.Curve, error) {
	federated, err := l.federated(r)
	if err != nil {
		return nil, err
	}
	all := federated
	base, err := l.file(l.base)
	if err != nil {
		return nil, err
	}
	for i := range l.sites {
		l.note("training alone: %s, %d of %d", r.Sites[i].Name, i+1, len(l.sites))
		c, err := l.lonely(l.sites[i], base, uint64(i), l.texts[i].mix)
		if err != nil {
			return nil, fmt.Errorf("train %s alone: %w", r.Sites[i].Name, err)
		}
		c.Name, c.Site = scenarios.Alone, r.Sites[i].Name
		all = append(all, c)
	}
	l.note("training on all sites' text")
	c, err := l.lonely(l.pool, base, uint64(len(l.sites)), nil)
	if err != nil {
		return nil, fmt.Errorf("train on all text: %w", err)
	}
	c.Name = scenarios.Pooled
	return append(all, c), nil
}

// federated measures the models of the honest site that has most of them: for all sites, and for each
// site's mix of text.
func (l *Learner) federated(r *scenarios.Recording) ([]scenarios.Curve, error) {
	models := []block.CID{l.base}
	for _, s := range r.Sites {
		if s.Adversary == "" && len(s.Models) >= len(models) {
			models = append([]block.CID{l.base}, s.Models...)
		}
	}
	curves := []scenarios.Curve{{Name: scenarios.Federated}}
	for _, s := range r.Sites {
		curves = append(curves, scenarios.Curve{Name: scenarios.Federated, Site: s.Name})
	}
	for n, m := range models {
		l.note("measuring the model of round %d", n)
		path, err := l.file(m)
		if err != nil {
			return nil, err
		}
		for i := range curves {
			var mix []float64
			if i > 0 {
				mix = l.texts[i-1].mix
			}
			p, err := l.measure(path, uint64(n), mix)
			if err != nil {
				return nil, err
			}
			curves[i].Points = append(curves[i].Points, p)
		}
	}
	return curves, nil
}

// lonely trains without averaging, as many steps as a site of the mesh makes, and measures each round.
func (l *Learner) lonely(t *builtin.Trainer, base string, who uint64, mix []float64) (c scenarios.Curve, err error) {
	model := base
	for n := uint64(0); ; n++ {
		p, err := l.measure(model, n, mix)
		if err != nil {
			return c, err
		}
		c.Points = append(c.Points, p)
		if n == uint64(l.s.Run.Rounds) {
			return c, nil
		}
		res, err := l.task(t, model, n+1, uint64(l.s.Seed)<<32|who<<16|n)
		if err != nil {
			return c, err
		}
		if model != base {
			if err := os.RemoveAll(filepath.Dir(model)); err != nil {
				return c, err
			}
		}
		model = res.Update
	}
}

// measure returns how good a model is on every kind of text, and on a mix of them; nil: none.
func (l *Learner) measure(path string, n uint64, mix []float64) (scenarios.Point, error) {
	kinds, known := l.measured[path]
	if !known {
		for _, text := range l.heldout {
			q, err := builtin.Measure(l.ctx, path, l.hyper, text, 0)
			if err != nil {
				return scenarios.Point{}, err
			}
			if !(q.Loss < scenarios.WorstLoss) {
				q.Loss = scenarios.WorstLoss
			}
			kinds = append(kinds, q)
		}
		l.measured[path] = kinds
	}
	p := scenarios.Point{Round: n}
	for k, q := range kinds {
		p.All += q.Loss / float64(len(kinds))
		p.Accuracy += q.Accuracy / float64(len(kinds))
		if mix != nil {
			p.Own += mix[k] * q.Loss
		}
	}
	return p, nil
}
