package ledger

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Verifier checks signatures: whether sig is from's over data. It must not keep data.
type Verifier func(from peer.ID, data, sig []byte) bool

// Verify checks that a site of the roster has signed the statement.
func (s *Signed) Verify(mesh block.CID, r *Roster, verify Verifier) error {
	buf := make([]byte, 0, 80+len(s.Kind)+len(s.Body))
	return s.VerifyIn(&buf, mesh, r, verify)
}

// VerifyIn is Verify with memory to use again.
func (s *Signed) VerifyIn(buf *[]byte, mesh block.CID, r *Roster, verify Verifier) error {
	*buf = appendSigningBytes((*buf)[:0], mesh, s.Kind, s.Body)
	switch {
	case !verify(s.From, *buf, s.Sig):
		return fmt.Errorf("%s of %s: %w", s.Kind, r.Name(s.From), ErrSignature)
	case !r.Has(s.From):
		return fmt.Errorf("%s of %s: %w", s.Kind, s.From, ErrStranger)
	}
	return nil
}

// CheckSignature says whether the statement's author, whom errors call name, has signed it.
func (s *Signed) CheckSignature(mesh block.CID, name string, verify Verifier) error {
	if !verify(s.From, SigningBytes(mesh, s.Kind, s.Body), s.Sig) {
		return fmt.Errorf("%s of %s: %w", s.Kind, name, ErrSignature)
	}
	return nil
}
