package consensus

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// KindReady is the kind of [Ready].
const KindReady ledger.Kind = "ready"

var _ = ledger.Register[Ready](KindReady, ledger.MaxEntry+ledger.MaxSmall)

// Ready says that the author has all that voting for an entry needs.
type Ready struct {
	Height uint64    `cbor:"height" json:"height"`
	Entry  block.CID `cbor:"entry" json:"entry"`
	Data   []byte    `cbor:"data,omitempty" json:"data,omitempty"` // the entry, from those who formed it
}

// Check implements [ledger.Body].
func (r *Ready) Check() error {
	if len(r.Data) > ledger.MaxEntry || r.Height == 0 || !r.Entry.Defined() {
		return fmt.Errorf("entry missing or over %d bytes", ledger.MaxEntry)
	}
	return nil
}

// At implements [ledger.AtHeight].
func (r *Ready) At() uint64 { return r.Height }
