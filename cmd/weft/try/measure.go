package try

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/node/api"
)

// basePrefix marks, in an update's metrics, those of the model that it was trained from.
const basePrefix = "base_"

// Best says by which figure models are compared.
type Best struct {
	Metric string
	Max    bool // larger is better
}

// ParseBest reads what --best says, such as accuracy:max or val_loss:min.
func ParseBest(text string) (*Best, error) {
	metric, mode, _ := strings.Cut(text, ":")
	if metric == "" || mode != "max" && mode != "min" {
		return nil, fmt.Errorf("best %q: want METRIC:max or METRIC:min, such as accuracy:max", text)
	}
	return &Best{metric, mode == "max"}, nil
}

// Figures are what the sites have measured of a model.
type Figures map[string]map[string]float64 // site -> metric -> value

// mean returns the mean of a metric over the sites that have it, their standard deviation, and how many they are.
func (f Figures) mean(metric string) (mean, deviation float64, sites int) {
	var all []float64
	for _, m := range f {
		if v, ok := m[metric]; ok {
			all = append(all, v)
			mean += v
		}
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	mean /= float64(len(all))
	for _, v := range all {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(all))), len(all)
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
		for name := range m {
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

// figures returns what the sites said of their trainings in a round, and what they measured of its base.
func figures(r *api.RoundStatus) (trained, measured Figures) {
	trained, measured = Figures{}, Figures{}
	for site, all := range r.Metrics {
		own, base := map[string]float64{}, map[string]float64{}
		for name, v := range all {
			if of, is := strings.CutPrefix(name, basePrefix); is {
				base[of] = v
			} else {
				own[name] = v
			}
		}
		trained[site] = own
		if len(base) > 0 {
			measured[site] = base
		}
	}
	return trained, measured
}

// lossOf picks the figure of the trainings that is shown: the loss if every site says one.
func lossOf(trained Figures) string {
	common := trained.metrics()
	switch {
	case slices.Contains(common, "loss"):
		return "loss"
	case len(common) > 0:
		return common[0]
	}
	return ""
}

// better reports whether a value is better than another.
func (b *Best) better(v, than float64) bool {
	if b.Max {
		return v > than
	}
	return v < than
}
