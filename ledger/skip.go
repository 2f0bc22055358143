package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindSkip is the kind of [Skip].
const KindSkip Kind = "skip"

var _ = Register[Skip](KindSkip, MaxSmall)

// Skip says that the author has nothing to offer for an opening of a round, so that nobody waits for it there. It is no promise:
// an update that the author offers for the opening all the same counts as any other, and of several skips one is as good as another.
type Skip struct {
	Run    block.CID `cbor:"run" json:"run"`
	Round  uint64    `cbor:"round" json:"round"`
	Opened uint64    `cbor:"opened" json:"opened"` // height of the entry that opened the round
	Reason string    `cbor:"reason" json:"reason"`
}

// Check implements [Body].
func (s *Skip) Check() error {
	switch {
	case s.Round == 0 || s.Opened == 0:
		return fmt.Errorf("round and opened count from 1")
	case len(s.Reason) > MaxReason:
		return fmt.Errorf("reason of %d bytes, at most %d", len(s.Reason), MaxReason)
	}
	return nil
}

// At implements [AtHeight].
func (s *Skip) At() uint64 { return s.Opened }

// OfRun returns the run whose round is skipped.
func (s *Skip) OfRun() block.CID { return s.Run }
