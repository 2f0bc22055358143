package archive

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
)

// chainKey returns the i-th key of the tests, always the same.
func chainKey(t testing.TB, i int) (crypto.PrivKey, peer.ID) {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(bytes.Repeat([]byte{byte(i)}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

func chainID(t testing.TB, i int) peer.ID {
	_, id := chainKey(t, i)
	return id
}

func chainCID(codec block.Codec, text string) block.CID { return block.Sum(codec, []byte(text)) }

func chainSign(t testing.TB, key crypto.PrivKey, data []byte) []byte {
	sig, err := key.Sign(data)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// testChain returns a ledger of a run that two sites opened, as blocks: genesis, entry, certificate.
func testChain(t testing.TB) (g *ledger.Genesis, e *ledger.Entry, c *ledger.Certificate) {
	t.Helper()
	var sites []ledger.Site
	for i := range 2 {
		sites = append(sites, ledger.Site{ID: chainID(t, i+1), Name: string(rune('a' + i))})
	}
	g, err := ledger.NewGenesis("test", ledger.Byzantine, sites, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	// The machines decide, so that nothing of the protocol is written here again.
	machines := map[string]*round.Machine{}
	for i := range 2 {
		key, id := chainKey(t, i+1)
		m, err := round.New(round.Config{Self: id, Genesis: g, Verify: ledger.VerifySignature, Timing: round.DefaultTiming(), Sign: func(b []byte) []byte { return chainSign(t, key, b) }})
		if err != nil {
			t.Fatal(err)
		}
		machines[string(id)] = m
	}
	spec := &ledger.RunSpec{Name: "x", By: chainID(t, 1), Base: chainCID(block.DagCBOR, "b"), Layout: chainCID(block.DagCBOR, "l"), Rounds: 1, Nonce: make([]byte, 16)}
	spec.Default(1)
	var inbox []func()
	var drive func(id string, ev round.Event)
	drive = func(id string, ev round.Event) {
		m := machines[id]
		m.Step(0, ev)
		w := m.Ready()
		for _, s := range w.Send {
			for to := range machines {
				if to != id && (s.To == "" || string(s.To) == to) {
					inbox = append(inbox, func() { drive(to, round.Received{From: peer.ID(id), Message: s.Message}) })
				}
			}
		}
		for _, j := range w.Jobs {
			if f, ok := j.(runs.Fetch); ok {
				inbox = append(inbox, func() { drive(id, runs.Fetched{Manifest: f.Manifest, Layout: f.Layout}) })
			}
		}
	}
	drive(string(chainID(t, 1)), runs.OpenRun{Spec: spec})
	drive(string(chainID(t, 2)), round.Alarm{})
	for steps := 0; len(inbox) > 0 && machines[string(chainID(t, 1))].Ledger().Height() == 0; steps++ {
		next := inbox[0]
		inbox = inbox[1:]
		if next(); steps > 1000 {
			t.Fatal("two machines do not agree")
		}
	}
	d := machines[string(chainID(t, 1))].Ledger().At(1)
	return g, d.Entry, d.Certificate
}
