package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
)

// rounds keeps how long rounds and their phases took here: those that are committed while the node runs, each counted by the
// first scrape after it.
type rounds struct {
	seen   map[block.CID]uint64 // newest round that is counted
	total  prometheus.Counter
	took   prometheus.Histogram
	phases *prometheus.HistogramVec
}

// From a quarter of a second to eighteen hours.
func buckets() []float64 { return prometheus.ExponentialBuckets(0.25, 2, 19) }

func newRounds() *rounds {
	return &rounds{
		seen:  map[block.CID]uint64{},
		total: prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_rounds_total", Help: "Rounds committed while the node runs."}),
		took:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "weft_round_seconds", Help: "How long rounds took at this site.", Buckets: buckets()}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weft_round_phase_seconds", Help: "How long this site was in each phase of its rounds.", Buckets: buckets(),
		}, []string{"phase"}),
	}
}

func (r *rounds) describe(to chan<- *prometheus.Desc) {
	r.total.Describe(to)
	r.took.Describe(to)
	r.phases.Describe(to)
}

func (r *rounds) collect(to chan<- prometheus.Metric) {
	r.total.Collect(to)
	r.took.Collect(to)
	r.phases.Collect(to)
}

// count adds the rounds of a run that were committed since the last scrape. What took no time was committed before the node
// started, and what an earlier run has yielded is counted there.
func (r *rounds) count(ctx context.Context, s Site, run *api.RunStatus) {
	r.seen[run.ID] = max(r.seen[run.ID], run.Before())
	for run.Newest != nil && r.seen[run.ID] < run.Newest.Round {
		page, err := s.Rounds(ctx, run.ID, r.seen[run.ID]+1, api.MaxRounds)
		if err != nil || len(page.Rounds) == 0 {
			return // it is counted by the next scrape
		}
		for i := range page.Rounds {
			r.add(&page.Rounds[i])
		}
		r.seen[run.ID] = page.Rounds[len(page.Rounds)-1].Round
	}
}

func (r *rounds) add(h *api.RoundStatus) {
	if h.Took == 0 {
		return
	}
	r.total.Inc()
	r.took.Observe(h.Took.Seconds())
	for phase, d := range h.Phases {
		r.phases.WithLabelValues(string(phase)).Observe(d.Seconds())
	}
}
