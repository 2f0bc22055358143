package ledger

import (
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/block"
)

// Continues names the model of an earlier run from which a run goes on, as it does after a rewind: [Earlier]. No entry's validity
// depends on it. It holds if it is true: see [Ledger.Continued].
type Continues struct{ Passed }

// ContinuesProtocol is the protocol number whose runs may have [Continues].
const ContinuesProtocol = 4

// Earlier is a round of an earlier run; 0 is what that began with.
type Earlier struct {
	Run   block.CID `cbor:"run" json:"run"`
	Round uint64    `cbor:"round" json:"round"`
}

// NewContinues returns the field.
func NewContinues(e Earlier) Continues { return Continues{block.Encode(e)} }

// Read returns what the field says, nothing if it is not there. What this program cannot read is an ErrMalformed.
func (c Continues) Read() (e Earlier, err error) {
	if c.IsZero() {
		return e, nil
	}
	if err = block.Decode(c.Passed, &e); err == nil && (e.Run.Codec() != block.DagCBOR || e.Round > MaxRounds) {
		err = fmt.Errorf("round %d of %s", e.Round, e.Run)
	}
	if err != nil {
		return Earlier{}, fmt.Errorf("%w: continues: %w", ErrMalformed, err)
	}
	return e, nil
}

// MarshalJSON writes what it holds.
func (c Continues) MarshalJSON() ([]byte, error) {
	e, err := c.Read()
	return c.json(e, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Continues) UnmarshalJSON(data []byte) error {
	var e Earlier
	return c.fromJSON(data, &e, func() Passed { return NewContinues(e).Passed })
}

// Continued returns the run that another continues, and with the model of which of its rounds it begins; nil if it continues none,
// or says what is not so.
func (l *Ledger) Continued(r *Run) (earlier *Run, round uint64) {
	if r.Spec.Continues.IsZero() {
		return nil, 0
	}
	e, err := r.Spec.Continues.Read()
	if err != nil {
		return nil, 0
	}
	earlier = l.runs[e.Run]
	if !r.Bounded || earlier == nil || earlier.Height >= r.Height || earlier.Spec.Layout != r.Spec.Layout || e.Round > uint64(len(earlier.Commits)) {
		return nil, 0
	}
	if model, begun := earlier.BaseOf(e.Round + 1); !begun || model != r.Spec.Base {
		return nil, 0
	}
	return earlier, e.Round
}

// Lineage returns the commits that led to a run's newest model, oldest first: its own, after those of the run that it continues.
func (l *Ledger) Lineage(r *Run) []CommitAt {
	var parts [][]CommitAt
	commits := r.Commits
	for r != nil {
		parts = append(parts, commits)
		earlier, round := l.Continued(r)
		if r = earlier; r != nil {
			commits = r.Commits[:round]
		}
	}
	slices.Reverse(parts)
	return slices.Concat(parts...)
}
