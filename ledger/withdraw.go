package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindWithdraw is the kind of [Withdraw].
const KindWithdraw Kind = "withdraw"

var _ = Register[Withdraw](KindWithdraw, MaxSmall)

// Withdraw takes the author's approval of a change back or, withdrawn no longer, gives it again. A higher serial replaces a
// lower. The signature of the approval stays good: it is the sites that know better who do not stand behind an entry
// which brings it.
type Withdraw struct {
	Change    block.CID `cbor:"change" json:"change"`
	Version   uint64    `cbor:"version" json:"version"` // that the change names
	Serial    uint64    `cbor:"serial" json:"serial"`   // from 1
	Withdrawn bool      `cbor:"withdrawn" json:"withdrawn"`
}

// Check implements [Body].
func (w *Withdraw) Check() error {
	if !w.Change.Defined() || w.Serial == 0 {
		return fmt.Errorf("change missing, or serial 0")
	}
	return nil
}
