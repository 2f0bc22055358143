package ledger

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/weft-mesh/weft/block"
)

// Bounds is what a run's description says of how far one site may move its models: [Bounded]. It is in force in runs that were
// opened under protocol [BoundsProtocol] or later, whose descriptions are not valid if it cannot be read; before, it is passed over.
type Bounds struct{ Passed }

// BoundsProtocol is the protocol number that brings [Bounds], the cap of shares and the norms of changes.
const BoundsProtocol = 4

// Bounded is how far one site may move the models of a run.
type Bounded struct {
	Share     Share   `cbor:"share,omitempty" json:"share,omitempty"`
	MaxChange float64 `cbor:"max_change,omitempty" json:"max_change,omitempty"` // norm of an update's change that makes it invalid; 0: by its base
}

// Share says what part of a round's weight a site may have.
type Share string

const (
	// Capped leaves no site more than half: see [Cap].
	Capped Share = ""
	// OpenShare leaves every site the weight that its samples give.
	OpenShare Share = "open"
)

// NewBounds returns the field.
func NewBounds(b Bounded) Bounds {
	if b == (Bounded{}) {
		return Bounds{}
	}
	return Bounds{block.Encode(b)}
}

// Read returns what the field says. What this program cannot read is an ErrMalformed.
func (b Bounds) Read() (of Bounded, err error) {
	if b.IsZero() {
		return of, nil
	}
	if err = block.Decode(b.Passed, &of); err == nil {
		err = of.check()
	}
	if err != nil {
		return Bounded{}, fmt.Errorf("%w: bounds: %w", ErrMalformed, err)
	}
	return of, nil
}

func (b *Bounded) check() error {
	switch {
	case b.Share != Capped && b.Share != OpenShare:
		return fmt.Errorf("share %.40q, want %s", string(b.Share), OpenShare)
	case b.MaxChange < 0 || math.IsNaN(b.MaxChange) || math.IsInf(b.MaxChange, 0):
		return fmt.Errorf("max_change %v, want a number above 0", b.MaxChange)
	}
	return nil
}

// MarshalJSON writes what it holds.
func (b Bounds) MarshalJSON() ([]byte, error) {
	of, err := b.Read()
	return b.json(of, err)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *Bounds) UnmarshalJSON(data []byte) error {
	var of Bounded
	return b.fromJSON(data, &of, func() Passed { return NewBounds(of).Passed })
}

// Norm is what an update's author says how long its change is: the Euclidean norm, by the arithmetic of package aggregate. Whoever
// holds the update holds it to that, in runs that have [Bounds]; validity passes over it.
type Norm struct{ Passed }

// NewNorm returns the field.
func NewNorm(v float64) Norm { return Norm{block.Encode(v)} }

// Read returns the norm, false if there is none or it is no norm.
func (n Norm) Read() (v float64, ok bool) {
	if n.IsZero() || block.Decode(n.Passed, &v) != nil || !(v >= 0) || math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

// MarshalJSON writes the norm.
func (n Norm) MarshalJSON() ([]byte, error) {
	v, ok := n.Read()
	if !ok {
		return n.json(nil, ErrMalformed)
	}
	return n.json(v, nil)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Norm) UnmarshalJSON(data []byte) error {
	var v float64
	if json.Unmarshal(data, &v) == nil {
		*n = NewNorm(v)
		return nil
	}
	return n.fromJSON(data, &v, func() Passed { return NewNorm(v).Passed })
}
