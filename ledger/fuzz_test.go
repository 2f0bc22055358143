package ledger_test

import (
	"bytes"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// A mesh file of another organisation is refused, or is a mesh whose bytes these are.
func FuzzDecodeGenesis(f *testing.F) {
	for n := 1; n < 5; n++ {
		var sites []ledger.Site
		for i := range n {
			id, err := peer.IDFromBytes(append([]byte{0, 36, 8, 1, 18, 32}, bytes.Repeat([]byte{byte(i + 1)}, 32)...))
			if err != nil {
				f.Fatal(err)
			}
			sites = append(sites, ledger.Site{ID: id, Name: string(rune('a' + i))})
		}
		g, err := ledger.NewGenesis("mesh", ledger.Byzantine, sites, make([]byte, 16))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(g.Block().Data)
		g.Under(ledger.Newest, ledger.NewestWeft)
		f.Add(g.Block().Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ledger.DecodeGenesis(data)
		if err != nil {
			return
		}
		if got := g.Block(); !bytes.Equal(got.Data, data) || got.CID != block.New(block.DagCBOR, data).CID {
			t.Fatalf("%x is written as %x", data, got.Data)
		}
		r := g.Roster()
		if q := r.Quorum(); r.Len() != len(g.Sites) || q < 1 || q > r.Len() {
			t.Fatalf("a quorum of %d in %d sites", q, r.Len())
		}
		l := ledger.NewLedger(g, ledger.VerifySignature)
		if l.Height() != 0 || l.Mesh() != g.Block().CID {
			t.Fatal("the ledger does not begin there")
		}
	})
}
