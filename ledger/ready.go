package ledger

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// KindReady is the kind of [Ready].
const KindReady Kind = "ready"

var _ = Register[Ready](KindReady, MaxEntry+maxSmall)

// Ready says that the author has all that voting for an entry needs.
type Ready struct {
	Height uint64    `cbor:"height" json:"height"`
	Entry  block.CID `cbor:"entry" json:"entry"`
	Data   []byte    `cbor:"data,omitempty" json:"data,omitempty"` // the entry, from those who formed it
}

// Check implements [Body].
func (r *Ready) Check() error {
	if len(r.Data) > MaxEntry || r.Height == 0 || !r.Entry.Defined() {
		return fmt.Errorf("entry missing or over %d bytes", MaxEntry)
	}
	return nil
}
