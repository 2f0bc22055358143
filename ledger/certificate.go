package ledger

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

// CertVote is one site's signature of a certificate, or of an approved change.
type CertVote struct {
	From peer.ID `cbor:"from" json:"from"`
	Sig  []byte  `cbor:"sig" json:"sig"`
}

// Verify checks that the certificate holds a quorum for this entry, of the roster in force at its height.
func (c *Certificate) Verify(mesh block.CID, r *Roster, e *Entry, verify Verifier) error {
	if c.Mesh != mesh || c.Height != e.Height || c.Entry != e.CID() {
		return fmt.Errorf("certificate of height %d: %w: it is for another entry", e.Height, ErrMalformed)
	}
	if len(c.Votes) < r.Quorum() {
		return fmt.Errorf("certificate of height %d: %w: %d signatures, a quorum is %d", c.Height, ErrQuorum, len(c.Votes), r.Quorum())
	}
	data := SigningBytes(mesh, KindPrecommit, block.Encode(Vote{c.Height, c.View, c.Entry}))
	if err := checkVotes(c.Votes, r, data, verify); err != nil {
		return fmt.Errorf("certificate of height %d: %w: %w", c.Height, ErrQuorum, err)
	}
	return nil
}

// Sound says whether a certificate can be one for this entry, as far as its bytes and the keys of the sites that known tells of
// show: without the roster in force at its height. No correct site sends one that is not, whatever it knows.
func (c *Certificate) Sound(mesh block.CID, e *Entry, known func(peer.ID) bool, verify Verifier) error {
	if c.Mesh != mesh || c.Height != e.Height || c.Entry != e.CID() {
		return fmt.Errorf("certificate of height %d: %w: it is for another entry", e.Height, ErrMalformed)
	}
	data := SigningBytes(mesh, KindPrecommit, block.Encode(Vote{c.Height, c.View, c.Entry}))
	for i, v := range c.Votes {
		switch {
		case i > 0 && CompareIDs(c.Votes[i-1].From, v.From) >= 0:
			return fmt.Errorf("certificate of height %d: %w: sites must ascend and differ", c.Height, ErrMalformed)
		case known(v.From) && !verify(v.From, data, v.Sig):
			return fmt.Errorf("certificate of height %d: %s: %w", c.Height, v.From, ErrSignature)
		}
	}
	return nil
}

// checkVotes says whether every signature is of another site, in order, and covers data.
func checkVotes(votes []CertVote, r *Roster, data []byte, verify Verifier) error {
	for i, v := range votes {
		switch {
		case i > 0 && CompareIDs(votes[i-1].From, v.From) >= 0:
			return fmt.Errorf("sites must ascend and differ")
		case !r.Has(v.From):
			return fmt.Errorf("%s: %w", v.From, ErrStranger)
		case !verify(v.From, data, v.Sig):
			return fmt.Errorf("%s: %w", r.Name(v.From), ErrSignature)
		}
	}
	return nil
}

// Vote returns the precommit that a signature of the certificate stands for.
func (c *Certificate) Vote(v CertVote) Signed {
	return Signed{From: v.From, Kind: KindPrecommit, Body: block.Encode(Vote{c.Height, c.View, c.Entry}), Sig: v.Sig}
}

// Certified is a decided entry with the proof that it was decided.
type Certified struct {
	Entry       []byte      `cbor:"entry"`
	Certificate Certificate `cbor:"certificate"`
}
