package ledger

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Cross says which updates of a run the sites measure with their own data, each those of the others too.
type Cross string

// CrossLast means those of the last committed seal.
const CrossLast Cross = "last"

// CrossProtocol is the protocol number that brings [Cross].
const CrossProtocol = 4

// Limits of cross-site evaluation. What a site finds stands in its statement about the last model, which so has room for it.
const (
	MaxCross        = 16 // updates that are measured; of more none is
	MaxCrossMetrics = 3  // metrics that a site states of an update
)

// CrossRow is what a site measured of one site's last update.
type CrossRow struct {
	Site    peer.ID            `cbor:"site" json:"site"` // whose update
	Samples uint64             `cbor:"samples" json:"samples"`
	Metrics map[string]float64 `cbor:"metrics" json:"metrics"`
}

func (r *CrossRow) check() error {
	switch {
	case r.Samples == 0 || r.Samples > MaxSamples:
		return fmt.Errorf("%d samples, want 1 to %d", r.Samples, uint64(MaxSamples))
	case len(r.Metrics) == 0 || len(r.Metrics) > MaxCrossMetrics:
		return fmt.Errorf("%d metrics, want 1 to %d", len(r.Metrics), MaxCrossMetrics)
	}
	return checkMetrics(r.Metrics)
}

// CrossRows are what a site measured of the last updates, {rows: [{site, samples, metrics}]}, ascending by site. Outside a run that
// asks for it, validity passes over them.
type CrossRows struct{ Passed }

type crossFields struct {
	Rows []CrossRow `cbor:"rows" json:"rows"`
}

// NewCrossRows returns the field for rows; absent if there are none.
func NewCrossRows(rows []CrossRow) CrossRows {
	if len(rows) == 0 {
		return CrossRows{}
	}
	return CrossRows{block.Encode(crossFields{rows})}
}

// Read returns the rows. What this program cannot read is an ErrMalformed.
func (c CrossRows) Read() ([]CrossRow, error) {
	if c.IsZero() {
		return nil, nil
	}
	var f crossFields
	if _, err := block.DecodeKnown(c.Passed, &f); err != nil {
		return nil, fmt.Errorf("%w: cross: %w", ErrMalformed, err)
	}
	for i := range f.Rows {
		if i > 0 && CompareIDs(f.Rows[i-1].Site, f.Rows[i].Site) >= 0 {
			return nil, fmt.Errorf("%w: cross: sites must ascend and differ", ErrMalformed)
		}
		if err := f.Rows[i].check(); err != nil {
			return nil, fmt.Errorf("%w: cross: row %d: %w", ErrMalformed, i, err)
		}
	}
	return f.Rows, nil
}

// MarshalJSON writes the rows.
func (c CrossRows) MarshalJSON() ([]byte, error) {
	rows, err := c.Read()
	return c.json(crossFields{rows}, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *CrossRows) UnmarshalJSON(b []byte) error {
	var f crossFields
	return c.fromJSON(b, &f, func() Passed { return NewCrossRows(f.Rows).Passed })
}

// Crossed returns the updates that the sites measure once the run is over: those of the newest committed seal, if the run asks
// for it and they are not too many. They are kept until the closing entry.
func (r *Run) Crossed() []SealedUpdate {
	if r.Terms.Cross != CrossLast || len(r.Commits) == 0 || !r.Active() && !r.Measurable() {
		return nil
	}
	sealed := r.Commits[len(r.Commits)-1].Sealed.Updates
	if len(sealed) > MaxCross {
		return nil
	}
	return sealed
}

// Crosses reports whether an update is one of those that are kept for it.
func (r *Run) Crosses(manifest block.CID) bool {
	return slices.ContainsFunc(r.Crossed(), func(s SealedUpdate) bool { return s.Update.Update().Manifest == manifest })
}

// Crosses reports whether a site may measure an update: one that its author has lent to the others, or its own.
func (s *SealedUpdate) Crosses(by peer.ID) bool { return s.Update.From == by || s.Update.Update().Lent }

// checkCross says why a site's rows cannot stand in a run's closing entry, if they cannot.
func (r *Run) checkCross(by peer.ID, rows CrossRows) error {
	if r.Terms.Cross == "" {
		return nil
	}
	list, err := rows.Read()
	if err != nil {
		return err
	}
	sealed := r.Crossed()
	for _, row := range list {
		if !slices.ContainsFunc(sealed, func(s SealedUpdate) bool { return s.Update.From == row.Site && s.Crosses(by) }) {
			return fmt.Errorf("cross: the last seal has no update of %s that it may measure", row.Site)
		}
	}
	return nil
}
