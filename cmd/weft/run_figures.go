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

// loggedPrefix stands before a metric of a training that is named like one of the model.
const loggedPrefix = "logged_"

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
		maps.Copy(metrics, rows[i].Metrics)
		for site, of := range measured {
			metrics[site] = addFigures(metrics[site], of)
		}
		rows[i].Metrics = metrics
	}
	return rows
}

// addFigures adds what a site measured of a round's model to what its training said. If that said something under the same name, it
// is told as logged.
func addFigures(said, measured map[string]float64) map[string]float64 {
	all := map[string]float64{}
	maps.Copy(all, said)
	for name, v := range measured {
		name = evalName(name)
		if logged, twice := said[name]; twice {
			all[loggedPrefix+name] = logged
		}
		all[name] = v
	}
	return all
}

// evalName is how a metric of a model is named.
func evalName(metric string) string {
	if strings.HasPrefix(metric, evalPrefix) {
		return metric
	}
	return evalPrefix + metric
}

// bestText says which model of a run is the best, and what the sites found of it.
func bestText(r *api.RunStatus) string {
	terms, err := r.Spec.Selection.Read()
	if r.Best == nil || err != nil || terms.Best == nil {
		return ""
	}
	text := fmt.Sprintf("best: the model of round %d", r.Best.Round)
	if v, sites := r.Compared(r.FiguresOf(r.Best.Round), terms.Best.Metric); sites > 0 {
		text += fmt.Sprintf(", %s %s (%s of %s)", terms.Best.Metric, metricText(v), terms.Best.By, term.Plural(sites, "site"))
	}
	return text
}

// evalKey returns the figure to show beside the trainings': by which the best model is chosen, or the first that there is; empty
// if nothing was measured.
func evalKey(r *api.RunStatus, rows []api.RoundStatus) string {
	names := metricNames(rows)
	if terms, err := r.Spec.Selection.Read(); err == nil && terms.Best != nil && slices.Contains(names, evalName(terms.Best.Metric)) {
		return evalName(terms.Best.Metric)
	}
	for _, name := range names {
		if strings.HasPrefix(name, evalPrefix) && len(r.Figures) > 0 {
			return name
		}
	}
	return ""
}

// sitesWith returns the sites that have any part in a round: whose updates count, who measured its model, who
// skipped it, or has said why it has no update in it.
func sitesWith(r *api.RoundStatus) []string {
	sites := append(slices.Clone(r.Sites), slices.Collect(maps.Keys(r.Metrics))...)
	sites = slices.AppendSeq(sites, maps.Keys(r.Skipped))
	sites = slices.AppendSeq(sites, maps.Keys(r.Troubles))
	slices.Sort(sites)
	return slices.Compact(sites)
}

// comparedAs returns a figure of a round's model, by the name that tables have for it, as the run compares it.
func comparedAs(run *api.RunStatus, round uint64, name string) (v float64, sites int) {
	f := run.FiguresOf(round)
	if v, sites = run.Compared(f, strings.TrimPrefix(name, evalPrefix)); sites == 0 {
		return run.Compared(f, name)
	}
	return v, sites
}
