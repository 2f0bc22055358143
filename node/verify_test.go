package node

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/runs"
)

// testChain returns a ledger of a run that two sites opened, as blocks: genesis, entry, certificate.
func testChain(t testing.TB) (g *ledger.Genesis, e *ledger.Entry, c *ledger.Certificate) {
	t.Helper()
	var sites []ledger.Site
	for i := range 2 {
		sites = append(sites, ledger.Site{ID: testID(t, i+1), Name: string(rune('a' + i))})
	}
	g, err := ledger.NewGenesis("test", ledger.Byzantine, sites, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	// The machines decide, so that nothing of the protocol is written here again.
	machines := map[string]*round.Machine{}
	for i := range 2 {
		key, id := testKey(t, i+1)
		m, err := round.New(round.Config{Self: id, Genesis: g, Verify: verifySignature, Timing: quick(), Sign: func(b []byte) []byte { return sign(key, b) }})
		if err != nil {
			t.Fatal(err)
		}
		machines[string(id)] = m
	}
	spec := &ledger.RunSpec{Name: "x", By: testID(t, 1), Base: testCID(block.DagCBOR, "b"), Layout: testCID(block.DagCBOR, "l"), Rounds: 1, Nonce: make([]byte, 16)}
	spec.Default()
	var inbox []func()
	var drive func(id string, ev round.Event)
	drive = func(id string, ev round.Event) {
		m := machines[id]
		m.Step(0, ev)
		w := m.Ready()
		for _, s := range w.Send {
			for to := range machines {
				if to != id && (s.To == "" || string(s.To) == to) {
					inbox = append(inbox, func() { drive(to, round.Received{From: testPeer(id), Message: s.Message}) })
				}
			}
		}
		for _, j := range w.Jobs {
			if f, ok := j.(runs.Fetch); ok {
				inbox = append(inbox, func() { drive(id, runs.Fetched{Manifest: f.Manifest, Layout: f.Layout}) })
			}
		}
	}
	drive(string(testID(t, 1)), runs.OpenRun{Spec: spec})
	drive(string(testID(t, 2)), round.Alarm{})
	for steps := 0; len(inbox) > 0 && machines[string(testID(t, 1))].Ledger().Height() == 0; steps++ {
		next := inbox[0]
		inbox = inbox[1:]
		if next(); steps > 1000 {
			t.Fatal("two machines do not agree")
		}
	}
	d := machines[string(testID(t, 1))].Ledger().At(1)
	return g, d.Entry, d.Certificate
}

func carOf(t testing.TB, roots []block.CID, blocks ...block.Block) []byte {
	t.Helper()
	var b bytes.Buffer
	err := WriteCAR(&b, roots, func(yield func(block.Block, error) bool) {
		for _, x := range blocks {
			if !yield(x, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVerifyCAR(t *testing.T) {
	g, e, c := testChain(t)
	good := []block.CID{g.Block().CID, e.CID()}
	forged := *c
	forged.Votes = append([]ledger.CertVote(nil), c.Votes...)
	forged.Votes[0].Sig = bytes.Clone(c.Votes[0].Sig)
	forged.Votes[0].Sig[5] ^= 1
	few := *c
	few.Votes = c.Votes[:1]
	other := *g
	other.Name = "another mesh"
	for _, x := range []struct {
		name string
		car  []byte
		want error
		text string
	}{
		{"good", carOf(t, good, g.Block(), e.Block(), block.Of(c)), nil, ""},
		{"in another order", carOf(t, good, block.Of(c), e.Block(), g.Block()), nil, ""},
		{"genesis alone", carOf(t, good[:1], g.Block()), nil, ""},
		{"no roots", carOf(t, nil, g.Block()), ErrChain, "roots"},
		{"no genesis", carOf(t, good, e.Block(), block.Of(c)), ErrChain, "no genesis"},
		{"no entry", carOf(t, good, g.Block(), block.Of(c)), ErrChain, "is missing"},
		{"no certificate", carOf(t, good, g.Block(), e.Block()), ErrChain, "certificate is missing"},
		{"forged signature", carOf(t, good, g.Block(), e.Block(), block.Of(&forged)), ErrChain, "signature does not verify"},
		{"too few signatures", carOf(t, good, g.Block(), e.Block(), block.Of(&few)), ErrChain, "no quorum"},
		{"of another mesh", carOf(t, []block.CID{other.Block().CID, e.CID()}, other.Block(), g.Block(), e.Block(), block.Of(c)), ErrChain, ""},
		{"empty file", nil, ErrCAR, "empty"},
		{"not a CAR", []byte("hello, this is text"), ErrCAR, ""},
		{"cut short", carOf(t, good, g.Block(), e.Block(), block.Of(c))[:300], ErrCAR, ""},
	} {
		r, err := VerifyCAR(bytes.NewReader(x.car))
		if !errors.Is(err, x.want) || err != nil && !strings.Contains(err.Error(), x.text) {
			t.Errorf("%s: %+v, %v, want %v (%s)", x.name, r, err, x.want, x.text)
		}
		if x.name == "good" && (r.Height != 1 || r.Head != e.CID() || r.Signers[0].Count+r.Signers[1].Count != 2 || r.Runs[0].By != "a") {
			t.Errorf("report %+v", r)
		}
	}
}

// A flipped bit anywhere in a CAR file is noticed.
func TestVerifyCARDamage(t *testing.T) {
	g, e, c := testChain(t)
	car := carOf(t, []block.CID{g.Block().CID, e.CID()}, g.Block(), e.Block(), block.Of(c))
	for at := range car {
		bad := bytes.Clone(car)
		bad[at] ^= 0x10
		if r, err := VerifyCAR(bytes.NewReader(bad)); err == nil && r.Head == e.CID() && r.Mesh == g.Block().CID {
			t.Fatalf("bit flipped at %d of %d: not noticed", at, len(car))
		}
	}
}

func TestVerifySource(t *testing.T) {
	if _, err := Verify(filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := Verify(t.TempDir()); !errors.Is(err, ErrNoMesh) {
		t.Errorf("not a site: %v", err)
	}
}

// The header of a CAR file is what https://ipld.io/specs/transport/car/carv1/ shows: a map of
// roots and version in DAG-CBOR after its length.
func TestCARBytes(t *testing.T) {
	c := block.Sum(block.Raw, nil)
	got := carOf(t, []block.CID{c}, block.Block{CID: c})
	want := []byte{58, 0xa2, 0x65, 'r', 'o', 'o', 't', 's', 0x81, 0xd8, 42, 0x58, 37, 0}
	want = append(want, c.Bytes()...)
	want = append(want, 0x67, 'v', 'e', 'r', 's', 'i', 'o', 'n', 1, 36)
	want = append(want, c.Bytes()...)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func FuzzReadCAR(f *testing.F) {
	g, e, c := testChain(f)
	f.Add(carOf(f, []block.CID{g.Block().CID, e.CID()}, g.Block(), e.Block(), block.Of(c)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		roots, blocks, err := ReadCAR(bytes.NewReader(data))
		if err != nil {
			return
		}
		var list []block.Block
		for b, err := range blocks {
			if err != nil {
				if !errors.Is(err, ErrCAR) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("error of no kind: %v", err)
				}
				return
			}
			list = append(list, b)
		}
		if again := carOf(t, roots, list...); len(again) > len(data) {
			t.Fatalf("%d bytes read are %d bytes written", len(data), len(again))
		}
		_, _ = VerifyCAR(bytes.NewReader(data)) // must not panic
	})
}
