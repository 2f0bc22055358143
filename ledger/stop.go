package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindStop is the kind of [Stop].
const KindStop Kind = "stop"

var _ = Register[Stop](KindStop, maxStop)

// Stop asks for the end of a run.
type Stop struct {
	Run    block.CID `cbor:"run" json:"run"`
	Reason string    `cbor:"reason" json:"reason"`
}

// Check implements [Body].
func (s *Stop) Check() error {
	if len(s.Reason) > maxReason {
		return fmt.Errorf("reason of %d bytes, at most %d", len(s.Reason), maxReason)
	}
	return nil
}

// OfRun returns the run that is to end.
func (s *Stop) OfRun() block.CID { return s.Run }
