package node

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
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

// testPeer returns the peer ID that a map's key holds.
func testPeer(s string) peer.ID { return peer.ID(s) }

func testGenesis(t *testing.T, name string, sites ...ledger.Site) *ledger.Genesis {
	t.Helper()
	g, err := ledger.NewGenesis(name, ledger.Byzantine, sites, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return g
}
