package ledger

import (
	"github.com/weft-mesh/weft/block"
)

// KindConsent is the kind of [Consent].
const KindConsent Kind = "consent"

var _ = Register[Consent](KindConsent, MaxSmall)

// Consent says whether the author takes part in a run. A higher serial replaces a lower.
type Consent struct {
	Run    block.CID `cbor:"run" json:"run"`
	Accept bool      `cbor:"accept" json:"accept"`
	Serial uint64    `cbor:"serial" json:"serial"`
}

// Check implements [Body].
func (c *Consent) Check() error { return nil }

// OfRun returns the run that the answer is about.
func (c *Consent) OfRun() block.CID { return c.Run }
