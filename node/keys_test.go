package node

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// testKey returns the i-th key of the tests, always the same.
func testKey(t testing.TB, i int) (crypto.PrivKey, peer.ID) {
	t.Helper()
	seed := bytes.Repeat([]byte{byte(i)}, ed25519.SeedSize)
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

func testID(t testing.TB, i int) peer.ID {
	_, id := testKey(t, i)
	return id
}
