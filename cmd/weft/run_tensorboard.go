package main

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-mesh/weft/cmd/weft/outfile"
	"github.com/weft-mesh/weft/cmd/weft/tensorboard"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
)

// writeCurves writes rounds of a run as TensorBoard's event files: a folder for each site, and one for their mean. A step is a round,
// its time when it was committed here. This site's own trainings come too, by step.
func writeCurves(ctx context.Context, e *env, from reader, run *api.RunStatus, rounds []api.RoundStatus, dir string) error {
	decided, err := archive.DecidedAt(e.dir)
	if err != nil {
		return err
	}
	list, err := from.Steps(ctx, run.ID)
	if err != nil {
		return err
	}
	self, err := ownName(ctx, e, from)
	if err != nil {
		return err
	}
	names, times := metricNames(rounds), commitTimes(rounds, decided)
	mean := func(r *api.RoundStatus, metric string) float64 {
		v, _, _ := spread(r.Metrics, metric)
		return v
	}
	if err := writeEvents(filepath.Join(dir, "mean"), rounds, times, names, mean, nil); err != nil {
		return err
	}
	sites := sitesOf(run)
	if len(list) > 0 && !slices.Contains(sites, self) { // whose trainings never counted
		sites = append(sites, self)
	}
	for _, site := range sites {
		own := func(r *api.RoundStatus, metric string) float64 {
			if v, ok := r.Metrics[site][metric]; ok {
				return v
			}
			return math.NaN()
		}
		var trainings []api.TrainingSteps
		if site == self {
			trainings = list
		}
		if err := writeEvents(filepath.Join(dir, "site", folderName(site)), rounds, times, names, own, trainings); err != nil {
			return err
		}
	}
	e.out.Printf("%s  %s of %s and their mean: tensorboard --logdir %s\n", dir, term.Plural(len(run.History), "round"), term.Plural(len(sites), "site"), dir)
	return nil
}

// stepTag stands before the names of metrics by step, in TensorBoard a group of their own.
const stepTag = "step/"

// writeSteps writes what was said at each step of trainings.
func writeSteps(w *tensorboard.Writer, trainings []api.TrainingSteps) error {
	for _, t := range trainings {
		for _, p := range t.Points {
			var scalars []tensorboard.Scalar
			for _, name := range slices.Sorted(maps.Keys(p.Metrics)) {
				scalars = append(scalars, tensorboard.Scalar{Tag: stepTag + name, Value: p.Metrics[name]})
			}
			if err := w.Add(p.Time, t.From+p.Step, scalars); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeEvents writes the figures of each round that are numbers, and what was said within trainings.
func writeEvents(dir string, rounds []api.RoundStatus, times []time.Time, names []string, figure func(*api.RoundStatus, string) float64, trainings []api.TrainingSteps) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := outfile.Create(filepath.Join(dir, tensorboard.FileName), nil)
	if err != nil {
		return err
	}
	defer f.Discard()
	w, err := tensorboard.NewWriter(f, times[0])
	if err != nil {
		return err
	}
	for i := range rounds {
		var scalars []tensorboard.Scalar
		for _, name := range names {
			if v := figure(&rounds[i], name); !math.IsNaN(v) {
				scalars = append(scalars, tensorboard.Scalar{Tag: name, Value: v})
			}
		}
		if err := w.Add(times[i], rounds[i].Round, scalars); err != nil {
			return err
		}
	}
	if err := writeSteps(w, trainings); err != nil {
		return err
	}
	return f.Commit()
}

// commitTimes returns when each round was committed here. Where nobody knows any more, it is when the next one was that is known, or
// the last; of none it is the epoch.
func commitTimes(rounds []api.RoundStatus, decided map[uint64]time.Time) []time.Time {
	known := time.Unix(0, 0)
	for i := range rounds {
		if at, ok := decided[rounds[i].Height]; ok {
			known = at
		}
	}
	times := []time.Time{known} // a run without rounds has a file, too
	if len(rounds) > 0 {
		times = make([]time.Time, len(rounds))
	}
	for i := len(rounds) - 1; i >= 0; i-- {
		if at, ok := decided[rounds[i].Height]; ok {
			known = at
		}
		times[i] = known
	}
	return times
}

// folderName is a site's name as the name of a folder.
func folderName(site string) string {
	name := strings.NewReplacer("%", "%25", "/", "%2F", `\`, "%5C").Replace(site)
	if name == "." || name == ".." {
		name = "%2E" + name[1:]
	}
	return name
}
