package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindConsent is the kind of [Consent].
const KindConsent Kind = "consent"

var _ = Register[Consent](KindConsent, MaxSmall)

// Consent says whether the author takes part in a run. A higher serial replaces a lower.
type Consent struct {
	Run     block.CID `cbor:"run" json:"run"`
	Accept  bool      `cbor:"accept" json:"accept"`
	Serial  uint64    `cbor:"serial" json:"serial"`
	Samples uint64    `cbor:"samples,omitempty" json:"samples,omitempty"` // that the author has to train on; 0: it does not know
	Reason  string    `cbor:"reason,omitempty" json:"reason,omitempty"`   // of who declines, for people
}

// Check implements [Body].
func (c *Consent) Check() error {
	switch {
	case c.Samples > MaxSamples:
		return fmt.Errorf("%d samples, at most %d", c.Samples, uint64(MaxSamples))
	case len(c.Reason) > MaxReason:
		return fmt.Errorf("reason of %d bytes, at most %d", len(c.Reason), MaxReason)
	case c.Accept && c.Reason != "":
		return fmt.Errorf("a reason is for who declines")
	}
	return nil
}

// OfRun returns the run that the answer is about.
func (c *Consent) OfRun() block.CID { return c.Run }
