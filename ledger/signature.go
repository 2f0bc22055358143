package ledger

import "github.com/libp2p/go-libp2p/core/peer"

// VerifySignature is the Verifier outside of tests: peer IDs of weft are Ed25519 keys.
func VerifySignature(from peer.ID, data, sig []byte) bool {
	key, err := from.ExtractPublicKey()
	if err != nil {
		return false
	}
	ok, err := key.Verify(data, sig)
	return ok && err == nil
}
