package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindMeasured is the kind of [LastMeasured].
const KindMeasured Kind = "measured"

var _ = Register[LastMeasured](KindMeasured, maxUpdate)

// LastMeasured is what a site measured of the last model of a run, from which nobody trains on. It is known by the run alone: a
// site that has lost what it said may measure once more, and find something else.
type LastMeasured struct {
	Run     block.CID `cbor:"run" json:"run"`
	Model   block.CID `cbor:"model" json:"model"` // manifest
	Figures Figures   `cbor:"figures" json:"figures"`
	Cross   CrossRows `cbor:"cross,omitzero" json:"cross,omitzero"` // of the last updates; absent where there are none
}

// Check implements [Body].
func (m *LastMeasured) Check() error {
	if m.Model.Codec() != block.DagCBOR {
		return fmt.Errorf("model is not the CID of a manifest")
	}
	_, err := m.Figures.Read()
	return err
}

// OfRun returns the run whose last model it is.
func (m *LastMeasured) OfRun() block.CID { return m.Run }
