package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// Void gives a round up, to be opened again on the same base.
type Void struct {
	Run    block.CID `cbor:"run" json:"run"`
	Round  uint64    `cbor:"round" json:"round"`
	Seal   block.CID `cbor:"seal" json:"seal"` // the round's latest
	Ground Ground    `cbor:"ground" json:"ground"`
}

var _ = registerEntry[Void]()

// Kind implements [Decision].
func (v *Void) Kind() string { return "void" }

// About implements [Decision].
func (v *Void) About() block.CID { return v.Run }

// String implements [Decision].
func (v *Void) String() string { return fmt.Sprintf("void %d", v.Round) }

func (v *Void) check(l *Ledger, e *Entry) error {
	r, err := l.current(e)
	if err != nil {
		return err
	}
	latest := r.Latest()
	if latest == nil || v.Round != r.Round || v.Seal != latest.CID {
		return invalid(e, "does not name round %d's latest seal", r.Round)
	}
	rest, err := l.Remaining(r, &v.Ground)
	if err != nil {
		return invalid(e, "%v", err)
	}
	if len(rest) >= r.Spec.Needed(l.roster) {
		return invalid(e, "%d updates remain, enough for another seal", len(rest))
	}
	return nil
}

func (v *Void) apply(l *Ledger, e *Entry) {
	r := l.runs[v.Run]
	r.drop(&v.Ground)
	r.Opened, r.Seals = e.Height, nil
}
