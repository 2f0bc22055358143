package real

import (
	"fmt"
	"os"
	"time"

	"github.com/weft-mesh/weft/scenarios"
	"github.com/weft-mesh/weft/scenarios/deal"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/train/builtin/corpus"
)

// trainersOf is what config.yaml says of each site's trainer. Files that it makes for them are in dir.
func trainersOf(s *scenarios.Scenario, dir string) (all []string, err error) {
	of := func(i int) (string, error) { return pretended(s, i), nil }
	switch {
	case s.Trainer.Builtin != nil:
		of = func(i int) (string, error) { return reader(i, len(s.All())) }
	case s.Trainer.Exec != nil:
		x, err := script(s, dir)
		if err != nil {
			return nil, err
		}
		of = func(i int) (string, error) { return x.Trainer(i), nil }
	}
	for i := range s.All() {
		t, err := of(i)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// reader is the embedded trainer on a site's part of the texts.
func reader(i, n int) (string, error) {
	sample, err := corpus.Site(i, n)
	return fmt.Sprintf("{builtin: {data: %q, workers: 1}}", sample), err
}

// pretended is the synthetic trainer. Where the simulator draws a training's time anew each time, the sites here have times of
// their own, as far apart.
func pretended(s *scenarios.Scenario, i int) string {
	y, sites := s.Trainer.Synthetic, s.All()
	part := float64(y.Spread) * (float64(i) + 0.5) / float64(len(sites))
	took := time.Duration(float64(y.Time) * (1 + part) / float64(sites[i].Group.Speed))
	return fmt.Sprintf("{synthetic: {bytes: %d, time: %s}}", y.Bytes, took)
}

// script is the user's own, which runs in this folder; its file of data is dealt out to dir.
func script(s *scenarios.Scenario, dir string) (*local.Script, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	x := &local.Script{Command: s.Trainer.Exec, Dir: here}
	for _, site := range s.All() {
		x.Sites = append(x.Sites, site.Name)
	}
	if s.Data.File == "" {
		return x, x.Validate()
	}
	plan, err := deal.ParsePlan(string(s.Data.Partition))
	if err != nil {
		return nil, err
	}
	dealt, err := deal.File(s.Data.File, deal.Options{Sites: x.Sites, Plan: plan, Label: s.Data.Label, Seed: uint64(s.Seed), Dir: dir})
	if err != nil {
		return nil, err
	}
	for _, p := range dealt.Parts {
		x.Data = append(x.Data, p.Path)
	}
	return x, x.Validate()
}
