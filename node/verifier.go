package node

import (
	"encoding/binary"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// verifier checks signatures and remembers the good ones, so that a statement that comes by gossip, in
// an answer and within a certificate costs one check. Bad ones are not remembered: they would
// only push out good ones.
type verifier struct {
	good *lru.Cache[block.CID, struct{}]
}

func newVerifier() *verifier {
	c, err := lru.New[block.CID, struct{}](verifiedCache)
	if err != nil {
		panic(err) // the size is positive
	}
	return &verifier{c}
}

// verify is a round.Verifier.
func (v *verifier) verify(from peer.ID, data, sig []byte) bool {
	b := binary.AppendUvarint(nil, uint64(len(from)))
	b = append(b, from...)
	b = binary.AppendUvarint(b, uint64(len(sig)))
	b = append(append(b, sig...), data...)
	key := block.Sum(block.Raw, b)
	if v.good.Contains(key) {
		return true
	}
	ok := ledger.VerifySignature(from, data, sig)
	if ok {
		v.good.Add(key, struct{}{})
	}
	return ok
}
