package round

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Certificate is a quorum's precommits for an entry, all of one view.
type Certificate struct {
	Mesh   block.CID  `cbor:"mesh" json:"mesh"`
	Height uint64     `cbor:"height" json:"height"`
	View   uint64     `cbor:"view" json:"view"`
	Entry  block.CID  `cbor:"entry" json:"entry"`
	Votes  []CertVote `cbor:"votes" json:"votes"` // ascending by site
}

// CertVote is one site's signature of a certificate.
type CertVote struct {
	From peer.ID `cbor:"from" json:"from"`
	Sig  []byte  `cbor:"sig" json:"sig"`
}

// Verify checks that the certificate holds a quorum of the roster for this entry.
func (c *Certificate) Verify(mesh block.CID, r *Roster, e *Entry, verify Verifier) error {
	if c.Mesh != mesh || c.Height != e.Height || c.Entry != e.CID() {
		return fmt.Errorf("certificate of height %d: %w: it is for another entry", e.Height, ErrMalformed)
	}
	if len(c.Votes) < r.Quorum() {
		return fmt.Errorf("certificate of height %d: %w: %d signatures, a quorum is %d", c.Height, ErrQuorum, len(c.Votes), r.Quorum())
	}
	data := signingBytes(mesh, KindPrecommit, block.Encode(Vote{c.Height, c.View, c.Entry}))
	for i, v := range c.Votes {
		if i > 0 && compareIDs(c.Votes[i-1].From, v.From) >= 0 {
			return fmt.Errorf("certificate of height %d: %w: sites must ascend and differ", c.Height, ErrQuorum)
		}
		if !r.Has(v.From) {
			return fmt.Errorf("certificate of height %d: %w: %s: %w", c.Height, ErrQuorum, v.From, ErrStranger)
		}
		if !verify(v.From, data, v.Sig) {
			return fmt.Errorf("certificate of height %d: %w: %s: %w", c.Height, ErrQuorum, r.Name(v.From), ErrSignature)
		}
	}
	return nil
}
