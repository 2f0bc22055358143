package sim

import (
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// MetricLiar trains honestly and states figures that nobody can have measured: a loss of -1e300 with all the samples that a
// site may claim, of every second model; of the others the opposite. It attacks the choice of the best model, and the end of
// a run that no better one is expected of.
type MetricLiar struct{ said int }

// Name returns the name of its kind.
func (a *MetricLiar) Name() string { return "metric-liar" }

// Poison makes up the figures of an update.
func (a *MetricLiar) Poison(l *Liar, _ runs.Train, t Trained) (Trained, error) {
	if t.Figures != nil {
		t.Figures = a.figures(l, *t.Figures)
	}
	return t, nil
}

// Hear makes up what the site finds of a last model.
func (a *MetricLiar) Hear(l *Liar, ev round.Event) round.Event {
	if m, ok := ev.(runs.Measured); ok {
		m.Figures = *a.figures(l, m.Figures)
		return m
	}
	return ev
}

func (a *MetricLiar) figures(l *Liar, m ledger.Measured) *ledger.Measured {
	v := -1e300
	if a.said++; a.said%2 == 0 {
		v = 1e300
	}
	m.Samples, m.Took, m.Metrics = ledger.MaxSamples, 1<<62, map[string]float64{"loss": v, "accuracy": -v}
	l.Did("made up figures")
	return &m
}
