package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindJoin is the kind of [Join].
const KindJoin Kind = "join"

var _ = Register[Join](KindJoin, MaxSmall)

// Join is the wish of a change's new key to be a site: signed by that key, it proves that its holder
// wants this place and has followed this ledger up to a head of late.
type Join struct {
	Change block.CID `cbor:"change" json:"change"`
	Height uint64    `cbor:"height" json:"height"` // newest that the joiner has; 0: the genesis
	Entry  block.CID `cbor:"entry" json:"entry"`   // at that height
}

// Check implements [Body].
func (j *Join) Check() error {
	if !j.Change.Defined() || !j.Entry.Defined() {
		return fmt.Errorf("change or entry missing")
	}
	return nil
}

// Recent reports whether a join names one of the newest entries of this ledger.
func (l *Ledger) Recent(j *Join) bool {
	return j.Height <= l.Height() && j.Height+MaxJoinAge > l.Height() && j.Entry == l.cidAt(j.Height)
}

func (l *Ledger) checkJoin(c *Changed, id block.CID) error {
	if (c.Join == nil) != (c.Change.Add == nil) {
		return fmt.Errorf("who comes signs, and nobody else")
	}
	if c.Join == nil {
		return nil
	}
	j, err := BodyOf[Join](c.Join, KindJoin)
	switch {
	case err != nil:
		return err
	case c.Join.From != c.Change.Add.ID:
		return fmt.Errorf("join signed by %s, %s comes", c.Join.From, c.Change.Add.ID)
	case j.Change != id:
		return fmt.Errorf("join of another change")
	case !l.Recent(j):
		return fmt.Errorf("join names no entry of the last %d", MaxJoinAge)
	}
	return c.Join.CheckSignature(l.mesh, l.Name(c.Join.From), l.verify)
}
