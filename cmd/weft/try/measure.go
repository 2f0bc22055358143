package try

import (
	"maps"
	"slices"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// Figures are what the sites found, of a model or of their trainings, by name.
type Figures map[string]ledger.Measured

// trained returns what the sites said of their trainings in a round.
func trained(r *api.RoundStatus) Figures {
	f := Figures{}
	for site, metrics := range r.Metrics {
		f[site] = ledger.Measured{Samples: 1, Metrics: metrics}
	}
	return f
}

// measured returns what the sites measured of the models of a run, from that of round 0; nothing of one that nobody measured.
func measured(r *api.RunStatus) []Figures {
	models := make([]Figures, len(r.History)+1)
	for _, f := range r.Figures {
		models[f.Round] = f.Sites
	}
	return models
}

// mean returns the mean of a metric over the sites that have it, weighted by the samples that they found it with, the standard
// deviation, and how many they are.
func (f Figures) mean(metric string) (mean, deviation float64, sites int) {
	return (&api.ModelFigures{Sites: f}).Mean(metric, 0)
}

// without returns the figures of the other sites.
func (f Figures) without(site string) Figures {
	others := maps.Clone(f)
	delete(others, site)
	return others
}

// metrics returns the names that every site has.
func (f Figures) metrics() []string {
	counts := map[string]int{}
	for _, m := range f {
		for name := range m.Metrics {
			counts[name]++
		}
	}
	var common []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] == len(f) {
			common = append(common, name)
		}
	}
	return common
}

// lossOf picks the figure that is shown: the loss if every site says one.
func (f Figures) lossOf() string {
	common := f.metrics()
	switch {
	case slices.Contains(common, "loss"):
		return "loss"
	case len(common) > 0:
		return common[0]
	}
	return ""
}
