package consensus

import (
	"bytes"
	"fmt"

	"github.com/weft-mesh/weft/ledger"
)

// KindProposal is the kind of [Proposal].
const KindProposal ledger.Kind = "proposal"

var _ = ledger.Register[Proposal](KindProposal, ledger.MaxProposal)

// Proposal offers an entry in a view.
type Proposal struct {
	Height    uint64          `cbor:"height" json:"height"`
	View      uint64          `cbor:"view" json:"view"`
	ValidView int64           `cbor:"valid_view" json:"valid_view"` // the view in which a quorum prevoted it, or -1
	Entry     []byte          `cbor:"entry" json:"entry"`
	Polka     []ledger.Signed `cbor:"polka" json:"polka"` // those prevotes, so that nobody must have seen them
}

// Check implements [ledger.Body].
func (p *Proposal) Check() error {
	if len(p.Entry) > ledger.MaxEntry || p.Height == 0 || len(p.Polka) > ledger.MaxSites || p.ValidView < -1 || p.ValidView >= 0 && uint64(p.ValidView) >= p.View {
		return fmt.Errorf("valid view %d in view %d, %d prevotes", p.ValidView, p.View, len(p.Polka))
	}
	return nil
}

// Excludes implements [ledger.Exclusive]: a site proposes one entry in a view.
func (p *Proposal) Excludes(other ledger.Body) bool {
	o := other.(*Proposal)
	return p.Height == o.Height && p.View == o.View && !bytes.Equal(p.Entry, o.Entry)
}

// At implements [ledger.AtHeight].
func (p *Proposal) At() uint64 { return p.Height }
