package ledger

import (
	"fmt"
	"math"

	"github.com/weft-mesh/weft/block"
)

// Selection is what a run's description says of evaluation and of its best model: [Terms], each absent where the run says nothing.
// It is in force in runs that were opened under protocol [SelectionProtocol] or later, one with [Cross] in those under
// [CrossProtocol] or later: programs before that cannot read it.
type Selection struct{ Passed }

// SelectionProtocol is the protocol number that brings [Selection] and [Closing].
const SelectionProtocol = 3

// Terms say how often the sites measure the run's models, which of them is the best, and when no better one is expected.
type Terms struct {
	Every     *uint64 `cbor:"every,omitempty" json:"every,omitempty"`           // models between two that are measured; nil: as each site likes; 0: none is
	Best      *Best   `cbor:"best,omitempty" json:"best,omitempty"`             // nil: no model is chosen
	StopAfter uint64  `cbor:"stop_after,omitempty" json:"stop_after,omitempty"` // models in a row that are no better, after which the run is over; 0: never
	Cross     Cross   `cbor:"cross,omitempty" json:"cross,omitempty"`           // updates that the sites measure; empty: none
}

// Best says which model is the best.
type Best struct {
	Metric   string  `cbor:"metric" json:"metric"`
	Mode     Mode    `cbor:"mode" json:"mode"`
	By       By      `cbor:"by" json:"by"`
	MinDelta float64 `cbor:"min_delta,omitempty" json:"min_delta,omitempty"` // by which a better model exceeds the best so far
}

// Mode says whether less or more of a metric is better.
type Mode string

const (
	Min Mode = "min"
	Max Mode = "max"
)

// By says how the sites' figures of two models are compared.
type By string

const (
	// ByMean weighs the difference at each site by the samples that it measured the best model with, capped as in the run's average.
	ByMean By = "mean"
	// ByMedian takes the median of the differences, each site once, so that less than half of the sites cannot invent a gain.
	ByMedian By = "median"
)

// NewSelection returns the field for terms.
func NewSelection(t Terms) Selection {
	if t == (Terms{}) {
		return Selection{}
	}
	return Selection{block.Encode(t)}
}

// Read returns the terms. What this program cannot read is an ErrMalformed.
func (s Selection) Read() (t Terms, err error) {
	if s.IsZero() {
		return t, nil
	}
	if err = block.Decode(s.Passed, &t); err == nil {
		err = t.Check()
	}
	if err != nil {
		return Terms{}, fmt.Errorf("%w: selection: %w", ErrMalformed, err)
	}
	return t, nil
}

// Check says what is wrong with the terms, if anything.
func (t *Terms) Check() error {
	if t.Every != nil && *t.Every > MaxRounds {
		return fmt.Errorf("every %d models, at most %d", *t.Every, uint64(MaxRounds))
	}
	b := t.Best
	switch {
	case t.Cross != "" && t.Cross != CrossLast:
		return fmt.Errorf("cross %.40q, want %s", t.Cross, CrossLast)
	case t.Cross != "" && t.Every != nil && *t.Every == 0:
		return fmt.Errorf("cross without evaluation: nobody measures anything")
	case b == nil && t.StopAfter > 0:
		return fmt.Errorf("stop_after without best: nothing says which model is better")
	case b == nil:
		return nil
	case t.Every != nil && *t.Every == 0:
		return fmt.Errorf("best without evaluation: nobody measures the models")
	case t.StopAfter > MaxRounds:
		return fmt.Errorf("stop_after %d models, at most %d", t.StopAfter, uint64(MaxRounds))
	case !ValidName(b.Metric):
		return fmt.Errorf("metric %.40q, want a short name", b.Metric)
	case b.Mode != Min && b.Mode != Max:
		return fmt.Errorf("mode %.40q, want %s or %s", b.Mode, Min, Max)
	case b.By != ByMean && b.By != ByMedian:
		return fmt.Errorf("by %.40q, want %s or %s", b.By, ByMean, ByMedian)
	case b.MinDelta < 0 || math.IsNaN(b.MinDelta) || math.IsInf(b.MinDelta, 0):
		return fmt.Errorf("min_delta %v, want a number from 0 on", b.MinDelta)
	}
	return nil
}

// Measures reports whether the sites measure a round's model, which may be the base of the run, 0. Where the terms say nothing,
// every one is. The last of a run is measured unless none is.
func (t *Terms) Measures(round uint64, last bool) bool {
	return t.Every == nil || *t.Every > 0 && (last || round%*t.Every == 0)
}

// MarshalJSON writes the terms.
func (s Selection) MarshalJSON() ([]byte, error) {
	t, err := s.Read()
	return s.json(t, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Selection) UnmarshalJSON(b []byte) error {
	var t Terms
	return s.fromJSON(b, &t, func() Passed { return NewSelection(t).Passed })
}
