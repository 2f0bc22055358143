package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/site"
)

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
	index := block.Of(carIndex{g.Block().CID.String(), e.CID().String(), []block.CID{}})
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
		{"with an index", carOf(t, []block.CID{index.CID}, index, g.Block(), e.Block(), block.Of(c)), nil, ""},
		{"an index of what is not there", carOf(t, []block.CID{index.CID}, index, g.Block(), block.Of(c)), ErrChain, "is missing"},
		{"an index of no CIDs", carOf(t, []block.CID{block.Of(carIndex{"x", "y", nil}).CID}, block.Of(carIndex{"x", "y", nil}), g.Block()), ErrChain, "its index"},
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

// A long ledger's index has pages that IPFS takes, which list every block once, in order, as raw ones.
func TestIndexPages(t *testing.T) {
	g, _, _ := testChain(t)
	const n = 2*pageLinks + 7
	all := func(yield func(block.Block, error) bool) {
		for i := range n {
			if !yield(block.New(block.DagCBOR, []byte(fmt.Sprint(i))), nil) {
				return
			}
		}
	}
	index, pages, err := indexed(ledger.NewLedger(g, ledger.VerifySignature), all)
	if err != nil {
		t.Fatal(err)
	}
	var root carIndex
	if err := block.Decode(index.Data, &root); err != nil || root.Genesis != g.Block().CID.String() || root.Head != root.Genesis || len(root.Pages) != 3 || len(pages) != 3 {
		t.Fatalf("%+v, %d pages, %v", root, len(pages), err)
	}
	at := 0
	for i, p := range pages {
		var page carPage
		if err := block.Decode(p.Data, &page); err != nil || p.CID != root.Pages[i] || len(p.Data) > 1<<20 {
			t.Fatalf("page %d of %d bytes: %v", i, len(p.Data), err)
		}
		for _, c := range page.Blocks {
			if c != block.FromDigest(block.Raw, block.New(block.DagCBOR, []byte(fmt.Sprint(at))).CID.Digest()) {
				t.Fatalf("block %d is %s", at, c)
			}
			at++
		}
	}
	if at != n {
		t.Errorf("%d of %d blocks", at, n)
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
	if _, err := Verify(t.TempDir()); !errors.Is(err, site.ErrNoMesh) {
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
	index := block.Of(carIndex{g.Block().CID.String(), e.CID().String(), []block.CID{}})
	f.Add(carOf(f, []block.CID{index.CID}, index, g.Block(), e.Block(), block.Of(c)))
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
