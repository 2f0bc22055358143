package ledger

import (
	"encoding/json"
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Pace is what a run's description says of when its rounds end: [Paced]. It is in force in runs that were opened under protocol
// [PaceProtocol] or later, whose descriptions are not valid if it cannot be read; before, it is passed over.
type Pace struct{ Passed }

// PaceProtocol is the protocol number that brings [Pace] and the steps of updates.
const PaceProtocol = 4

// MaxRoundTime is the longest round time in milliseconds: 30 days.
const MaxRoundTime = 30 * 24 * 3600 * 1000

// Paced is when the rounds of a run end. With a round time each update states its steps, and its change counts by them.
type Paced struct {
	RoundTime uint64 `cbor:"round_time,omitempty" json:"round_time,omitempty"` // milliseconds from a round's opening to its bell; 0: none
}

// NewPace returns the field.
func NewPace(p Paced) Pace {
	if p == (Paced{}) {
		return Pace{}
	}
	return Pace{block.Encode(p)}
}

// Read returns what the field says. What this program cannot read is an ErrMalformed.
func (p Pace) Read() (of Paced, err error) {
	if p.IsZero() {
		return of, nil
	}
	if err = block.Decode(p.Passed, &of); err == nil && (of.RoundTime == 0 || of.RoundTime > MaxRoundTime) {
		err = fmt.Errorf("round_time %d ms, want 1 to %d", of.RoundTime, uint64(MaxRoundTime))
	}
	if err != nil {
		return Paced{}, fmt.Errorf("%w: pace: %w", ErrMalformed, err)
	}
	return of, nil
}

// MarshalJSON writes what it holds.
func (p Pace) MarshalJSON() ([]byte, error) {
	of, err := p.Read()
	return p.json(of, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Pace) UnmarshalJSON(data []byte) error {
	var of Paced
	return p.fromJSON(data, &of, func() Passed { return NewPace(of).Passed })
}

// MaxSteps is the most steps that an update may state.
const MaxSteps = 1 << 40

// Steps is how many steps an update's author says it has trained. Runs with a round time want them; others pass over the field.
type Steps struct{ Passed }

// NewSteps returns the field, none for 0.
func NewSteps(n uint64) Steps {
	if n == 0 {
		return Steps{}
	}
	return Steps{block.Encode(n)}
}

// Read returns the steps, false if there are none or their number is none that an update may state.
func (s Steps) Read() (n uint64, ok bool) {
	if s.IsZero() || block.Decode(s.Passed, &n) != nil || n == 0 || n > MaxSteps {
		return 0, false
	}
	return n, true
}

// MarshalJSON writes the number.
func (s Steps) MarshalJSON() ([]byte, error) {
	n, ok := s.Read()
	if !ok {
		return s.json(nil, ErrMalformed)
	}
	return s.json(n, nil)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Steps) UnmarshalJSON(data []byte) error {
	var n uint64
	if json.Unmarshal(data, &n) == nil {
		*s = NewSteps(n)
		return nil
	}
	return s.fromJSON(data, &n, func() Passed { return NewSteps(n).Passed })
}
