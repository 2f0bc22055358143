package consensus

import (
	"bytes"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
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

// Sound says whether the prevotes that a proposal brings along stand for it, by their bytes and the keys of the sites that known
// tells of: whether they are a quorum's depends on the roster.
func (p *Proposal) Sound(mesh block.CID, known func(peer.ID) bool, verify ledger.Verifier) error {
	entry := block.Sum(block.DagCBOR, p.Entry)
	for i := range p.Polka {
		s := &p.Polka[i]
		v, err := ledger.BodyOf[ledger.Vote](s, ledger.KindPrevote)
		if err != nil {
			return fmt.Errorf("proposal: %w", err)
		}
		if err := p.stands(v, entry); err != nil {
			return err
		}
		if known(s.From) {
			if err := s.CheckSignature(mesh, s.From.String(), verify); err != nil {
				return fmt.Errorf("proposal: %w", err)
			}
		}
	}
	return nil
}

// stands says whether a prevote stands for the proposal of an entry.
func (p *Proposal) stands(v *ledger.Vote, entry block.CID) error {
	if v.Height != p.Height || !is(p.ValidView, v.View) || v.Entry != entry {
		return fmt.Errorf("proposal: %w: a prevote of height %d view %d stands for valid view %d", ledger.ErrMalformed, v.Height, v.View, p.ValidView)
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
