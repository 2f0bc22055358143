package ledger

import (
	"fmt"
	"math"

	"github.com/weft-mesh/weft/block"
)

// MaxFigures is the most metrics that a site states of one model.
const MaxFigures = 8

// Measured is what a site measured of a model with its own data. Nobody else can check it: the data are private.
type Measured struct {
	Samples uint64             `cbor:"samples" json:"samples"` // that it was measured with
	Metrics map[string]float64 `cbor:"metrics" json:"metrics"`
	Took    uint64             `cbor:"took" json:"took"` // milliseconds
}

// Check says whether a site can have measured this.
func (m *Measured) Check() error {
	switch {
	case m.Samples == 0 || m.Samples > MaxSamples:
		return fmt.Errorf("%d samples, want 1 to %d", m.Samples, uint64(MaxSamples))
	case len(m.Metrics) == 0 || len(m.Metrics) > MaxFigures:
		return fmt.Errorf("%d metrics, want 1 to %d", len(m.Metrics), MaxFigures)
	}
	return checkMetrics(m.Metrics)
}

// checkMetrics says whether metrics have names and values that a statement may have.
func checkMetrics(metrics map[string]float64) error {
	for name, v := range metrics {
		if !ValidName(name) || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("metric %.40q = %v: want a short name and a finite number", name, v)
		}
	}
	return nil
}

// Figures are what an update's author measured of the update's base, {samples: uint, metrics: {text: float}, took: uint}.
type Figures struct{ Passed }

// NewFigures returns the field for what was measured.
func NewFigures(m Measured) Figures { return Figures{block.Encode(m)} }

// Read returns what was measured. No figures, and those that this program cannot read, are an ErrMalformed.
func (f Figures) Read() (m Measured, err error) {
	if f.IsZero() {
		return m, fmt.Errorf("%w: no figures", ErrMalformed)
	}
	if _, err = block.DecodeKnown(f.Passed, &m); err == nil {
		err = m.Check()
	}
	if err != nil {
		return Measured{}, fmt.Errorf("%w: figures: %w", ErrMalformed, err)
	}
	return m, nil
}

// MarshalJSON writes what they say.
func (f Figures) MarshalJSON() ([]byte, error) {
	m, err := f.Read()
	return f.json(m, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (f *Figures) UnmarshalJSON(b []byte) error {
	var m Measured
	return f.fromJSON(b, &m, func() Passed { return NewFigures(m).Passed })
}
