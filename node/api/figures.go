package api

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// DescribeFigures describes what the sites measured of a run's models.
func DescribeFigures(l *ledger.Ledger, r *ledger.Run) (list []ModelFigures) {
	for i := range r.Commits {
		list = AddFigures(list, l, r, i)
	}
	return AddClosing(list, l, r)
}

// AddFigures adds what came with a commit of a run, by its index. What the list holds already is not changed, but for the list.
func AddFigures(list []ModelFigures, l *ledger.Ledger, r *ledger.Run, commit int) []ModelFigures {
	a := adding{slices.Clone(list), map[uint64]bool{}}
	for i := range r.Commits[commit].Sealed.Updates {
		s := &r.Commits[commit].Sealed.Updates[i].Update
		if m, err := s.Update().Figures.Read(); err == nil {
			a.add(s.Update().Round-1, s.Update().Base, l.Name(s.From), m)
		}
	}
	return a.list
}

// AddClosing adds what the sites measured of the last model, once that is decided.
func AddClosing(list []ModelFigures, l *ledger.Ledger, r *ledger.Run) []ModelFigures {
	if r.Closing == nil {
		return list
	}
	a := adding{slices.Clone(list), map[uint64]bool{}}
	for site, m := range r.Closing.Measured() {
		a.add(uint64(len(r.Commits)), r.Base, l.Name(site), m)
	}
	return a.list
}

// describeCross describes what the sites measured of the last round's updates, once that is decided.
func describeCross(l *ledger.Ledger, r *ledger.Run) CrossFigures {
	if r.Closing == nil || r.Terms.Cross == "" {
		return nil
	}
	all := CrossFigures{}
	for by, rows := range r.Closing.Cross() {
		of := map[string]CrossFigure{}
		for _, row := range rows {
			of[l.Name(row.Site)] = CrossFigure{row.Samples, row.Metrics}
		}
		all[l.Name(by)] = of
	}
	return all
}

// Names returns the sites that have measured, those whose updates they have, and the metrics that they found.
func (f CrossFigures) Names() (by, of, metrics []string) {
	by = slices.Sorted(maps.Keys(f))
	for _, found := range f {
		for site, row := range found {
			of = append(of, site)
			metrics = slices.AppendSeq(metrics, maps.Keys(row.Metrics))
		}
	}
	slices.Sort(of)
	slices.Sort(metrics)
	return by, slices.Compact(of), slices.Compact(metrics)
}

// adding is a list to which figures are added.
type adding struct {
	list []ModelFigures
	own  map[uint64]bool // rounds whose sites nobody else reads
}

// add adds a site's figures of a model. A late site completes what others may be reading, so that is copied first.
func (a *adding) add(round uint64, model block.CID, site string, m ledger.Measured) {
	i, found := slices.BinarySearchFunc(a.list, round, func(f ModelFigures, round uint64) int { return cmp.Compare(f.Round, round) })
	switch {
	case !found:
		a.list = slices.Insert(a.list, i, ModelFigures{Round: round, Model: model, Sites: map[string]ledger.Measured{}})
	case !a.own[round]:
		a.list[i].Sites = maps.Clone(a.list[i].Sites)
	}
	a.own[round] = true
	if _, has := a.list[i].Sites[site]; !has {
		a.list[i].Sites[site] = m
	}
}

// FiguresOf returns what the sites measured of a round's model, nil if nobody has.
func (r *RunStatus) FiguresOf(round uint64) *ModelFigures {
	i, found := slices.BinarySearchFunc(r.Figures, round, func(f ModelFigures, round uint64) int { return cmp.Compare(f.Round, round) })
	if !found {
		return nil
	}
	return &r.Figures[i]
}

// Measured returns the metrics of what the sites measured of a round's model, by site; nil if nobody has.
func (r *RunStatus) Measured(round uint64) map[string]map[string]float64 {
	f := r.FiguresOf(round)
	if f == nil {
		return nil
	}
	of := map[string]map[string]float64{}
	for site, m := range f.Sites {
		of[site] = m.Metrics
	}
	return of
}

// Compared returns a figure of a model as the run compares it: the mean of the sites by their samples, capped as in the run's
// average, or their median, and how many sites have it.
func (r *RunStatus) Compared(f *ModelFigures, metric string) (v float64, sites int) {
	if f == nil {
		return 0, 0
	}
	terms, _ := r.Spec.Selection.Read()
	if b := terms.Best; b != nil && b.By == ledger.ByMedian && b.Metric == metric {
		return f.median(metric, b.Mode)
	}
	v, _, sites = f.Mean(metric, r.Spec.SampleCap)
	return v, sites
}

// Mean returns the mean of a metric over the sites that have it, weighted by the samples that they found it with, at most so many
// if most is not 0; the standard deviation, and how many they are.
func (f *ModelFigures) Mean(metric string, most uint64) (mean, deviation float64, sites int) {
	total := 0.0
	each := func(do func(weight, v float64)) {
		for _, site := range slices.Sorted(maps.Keys(f.Sites)) { // sums depend on their order
			samples := f.Sites[site].Samples
			if most > 0 {
				samples = min(samples, most)
			}
			if v, has := f.Sites[site].Metrics[metric]; has {
				do(float64(samples), v)
			}
		}
	}
	each(func(weight, v float64) {
		mean, total, sites = mean+weight*v, total+weight, sites+1
	})
	if sites == 0 {
		return 0, 0, 0
	}
	mean /= total
	each(func(weight, v float64) { deviation += weight * (v - mean) * (v - mean) })
	return mean, math.Sqrt(deviation / total), sites
}

// median returns the median of a metric over the sites, the worse of two in the middle.
func (f *ModelFigures) median(metric string, mode ledger.Mode) (v float64, sites int) {
	var all []float64
	for _, m := range f.Sites {
		if v, has := m.Metrics[metric]; has {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	if mode == ledger.Min {
		return all[len(all)/2], len(all)
	}
	return all[(len(all)-1)/2], len(all)
}
