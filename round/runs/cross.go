package runs

import (
	"maps"
	"slices"

	"github.com/weft-mesh/weft/ledger"
)

// Cross-site evaluation: with the last model the sites measure the updates of the last seal, if the run asks for it. Whose they
// may measure is said in the updates, what they find stands in their statements about the last model.

// crossed returns the updates that this site may measure once the run is over.
func (c *closing) crossed() (list []ledger.Input) {
	sealed := c.run.Crossed()
	for i := range sealed {
		if s := &sealed[i]; s.Crosses(c.env.Self) {
			list = append(list, ledger.Input{Site: s.Update.From, Manifest: s.Update.Update().Manifest})
		}
	}
	return list
}

// fitCross returns rows with as many metrics as there is room for, the same in each; without room for one there are no rows.
func fitCross(rows []ledger.CrossRow, terms *ledger.Terms, room func(ledger.CrossRows) bool) ledger.CrossRows {
	all := map[string]bool{}
	for _, r := range rows {
		for name := range r.Metrics {
			all[name] = true
		}
	}
	names := bestFirst(slices.Sorted(maps.Keys(all)), terms)
	for n := min(len(names), ledger.MaxCrossMetrics); n > 0; n-- {
		if fits := ledger.NewCrossRows(only(rows, names[:n])); room(fits) {
			return fits
		}
	}
	return ledger.CrossRows{}
}

// only returns rows with metrics of these names alone; those that have none of them are left out.
func only(rows []ledger.CrossRow, names []string) (list []ledger.CrossRow) {
	for _, r := range rows {
		metrics := map[string]float64{}
		for _, name := range names {
			if v, has := r.Metrics[name]; has {
				metrics[name] = v
			}
		}
		if r.Metrics = metrics; len(metrics) > 0 {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b ledger.CrossRow) int { return ledger.CompareIDs(a.Site, b.Site) })
	return list
}
