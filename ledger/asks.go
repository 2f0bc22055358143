package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindAsks is the kind of [Asks].
const KindAsks Kind = "asks"

var _ = Register[Asks](KindAsks, MaxSmall)

// Asks are the runs that the author asks for, all of them: what it no longer lists it has taken back. A higher serial replaces a
// lower, so that one statement of a site is enough to know which of its descriptions, which anybody may show again, still count.
type Asks struct {
	Serial uint64      `cbor:"serial" json:"serial"` // from 1
	Runs   []block.CID `cbor:"runs" json:"runs"`
}

// Check implements [Body].
func (a *Asks) Check() error {
	switch {
	case a.Serial == 0:
		return fmt.Errorf("serial 0")
	case len(a.Runs) > MaxAsked:
		return fmt.Errorf("%d runs, at most %d", len(a.Runs), MaxAsked)
	}
	return nil
}
