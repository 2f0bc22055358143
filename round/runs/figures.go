package runs

import (
	"maps"
	"slices"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// What a site may say of a round is little in a large mesh, as an entry has room for all of them. Figures go before metrics.

// fill puts what was measured of its base into an update, and takes out what there is no room for.
func fill(v *env, u *ledger.Update, of *ledger.Measured, terms *ledger.Terms) {
	fits := func() bool { return v.Out.Sign(ledger.KindUpdate, u).Size() <= v.roster().UpdateBytes() }
	metrics := u.Metrics
	if metrics == nil {
		metrics = map[string]float64{}
	}
	u.Metrics = map[string]float64{}
	if of != nil {
		m := fit(*of, terms, func(f ledger.Figures) bool {
			u.Figures = f
			return fits()
		})
		if u.Figures = (ledger.Figures{}); len(m.Metrics) > 0 {
			u.Figures = ledger.NewFigures(m)
		}
		if len(m.Metrics) < len(of.Metrics) {
			v.Out.Trace(trace.MetricsDropped{Subject: trace.In(u.Run, u.Round)})
		}
	}
	if u.Metrics = metrics; len(metrics) > 0 && !fits() {
		v.Out.Trace(trace.MetricsDropped{Subject: trace.In(u.Run, u.Round)})
		u.Metrics = map[string]float64{}
	}
}

// fit returns figures with as many metrics as there is room for, that by which the best model is chosen before the others.
func fit(of ledger.Measured, terms *ledger.Terms, room func(ledger.Figures) bool) ledger.Measured {
	names := bestFirst(slices.Sorted(maps.Keys(of.Metrics)), terms)
	fits := ledger.Measured{Samples: of.Samples, Took: of.Took, Metrics: map[string]float64{}}
	for _, name := range names {
		fits.Metrics[name] = of.Metrics[name]
		if fits.Check() != nil || !room(ledger.NewFigures(fits)) {
			delete(fits.Metrics, name)
		}
	}
	return fits
}

// bestFirst puts the metric by which the best model is chosen before the others.
func bestFirst(names []string, terms *ledger.Terms) []string {
	if by := terms.Best; by != nil {
		if i := slices.Index(names, by.Metric); i > 0 {
			names = slices.Insert(slices.Delete(names, i, i+1), 0, by.Metric)
		}
	}
	return names
}
