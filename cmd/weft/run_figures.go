package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

// evalPrefix stands before the metrics that sites measured of a round's model, to tell them from what its trainings said.
const evalPrefix = "eval_"

// withFigures returns the committed rounds of a run with what the sites measured of their models among the metrics. A row for what
// the run began with, round 0, comes first if that was measured.
func withFigures(r *api.RunStatus) []api.RoundStatus {
	rows := slices.Clone(r.History)
	if start := r.Measured(0); start != nil {
		rows = slices.Insert(rows, 0, api.RoundStatus{Model: r.Spec.Base, Held: true, Metrics: map[string]map[string]float64{}})
	}
	for i := range rows {
		measured := r.Measured(rows[i].Round)
		if len(measured) == 0 {
			continue
		}
		metrics := map[string]map[string]float64{}
		for site, own := range rows[i].Metrics {
			metrics[site] = maps.Clone(own)
		}
		for site, of := range measured {
			if metrics[site] == nil {
				metrics[site] = map[string]float64{}
			}
			for name, v := range of {
				metrics[site][evalPrefix+name] = v
			}
		}
		rows[i].Metrics = metrics
	}
	return rows
}

// bestText says which model of a run is the best, and what the sites found of it, as a mean by their samples.
func bestText(r *api.RunStatus) string {
	terms, err := r.Spec.Selection.Read()
	if r.Best == nil || err != nil || terms.Best == nil {
		return ""
	}
	text := fmt.Sprintf("best: the model of round %d", r.Best.Round)
	if f := r.FiguresOf(r.Best.Round); f != nil {
		mean, _, sites := f.Mean(terms.Best.Metric)
		text += fmt.Sprintf(", %s %s (mean of %s)", terms.Best.Metric, metricText(mean), term.Plural(sites, "site"))
	}
	return text
}

// evalKey returns the figure to show beside the trainings': by which the best model is chosen, or the first that there is; empty
// if nothing was measured.
func evalKey(r *api.RunStatus, rows []api.RoundStatus) string {
	if terms, err := r.Spec.Selection.Read(); err == nil && terms.Best != nil && len(r.Figures) > 0 {
		return evalPrefix + terms.Best.Metric
	}
	for _, name := range metricNames(rows) {
		if strings.HasPrefix(name, evalPrefix) && len(r.Figures) > 0 {
			return name
		}
	}
	return ""
}

// sitesWith returns the sites that have any part in a round: whose updates count, or who measured its model.
func sitesWith(r *api.RoundStatus) []string {
	sites := append(slices.Clone(r.Sites), slices.Collect(maps.Keys(r.Metrics))...)
	slices.Sort(sites)
	return slices.Compact(sites)
}
