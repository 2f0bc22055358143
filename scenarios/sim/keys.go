package sim

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// signatureBytes is the length of an Ed25519 signature; the simulator's have it too, so that bytes
// on the wire are counted as they are.
const signatureBytes = 64

// siteID returns the peer ID of a site, the same in every world.
func siteID(name string) (peer.ID, error) {
	seed := block.Sum(block.Raw, []byte("weft simulated site "+name)).Digest()
	pub := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	key, err := crypto.UnmarshalEd25519PublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("simulate: key of %s: %w", name, err)
	}
	return peer.IDFromPublicKey(key)
}

// sign stands for Ed25519: nobody can make it without asking the site, since only the site's own code
// is given the function. Checking is as cheap as remembering what was checked before.
func sign(id peer.ID, data []byte) []byte {
	sig := make([]byte, signatureBytes)
	binary.BigEndian.PutUint64(sig, tag(id, data))
	return sig
}

func verify(id peer.ID, data, sig []byte) bool {
	return len(sig) == signatureBytes && binary.BigEndian.Uint64(sig) == tag(id, data)
}

func tag(id peer.ID, data []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(string(id)) // cannot fail
	_, _ = d.Write(data)
	return d.Sum64()
}
