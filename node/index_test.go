package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

func testCID(codec block.Codec, name string) block.CID { return block.Sum(codec, []byte(name)) }

func newTestIndex(t *testing.T) (*index, *blockstore.Memory) {
	t.Helper()
	store := blockstore.NewMemory(blockstore.Options{})
	x, err := openIndex(filepath.Join(t.TempDir(), indexName), store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return x, store
}

// Who may read a block that is part of several artifacts.
func TestIndexReadable(t *testing.T) {
	r, other := testCID(block.DagCBOR, "run"), testCID(block.DagCBOR, "run of a stranger")
	type artifact struct {
		name string
		use  use
	}
	const frozen, secret = "frozen", "secret"
	for _, c := range []struct {
		name      string
		artifacts []artifact // all have the shards frozen and secret; base has frozen only
		block     string
		in        []block.CID // runs of the reader
		readable  bool
		known     bool
	}{
		{"nobody knows it", nil, secret, []block.CID{r}, false, false},
		{"update, participant", []artifact{{"u", use{Run: r, As: asUpdate}}}, secret, []block.CID{r}, true, true},
		{"update, another's participant", []artifact{{"u", use{Run: r, As: asUpdate}}}, secret, []block.CID{other}, false, true},
		{"draft, stranger", []artifact{{"d", use{Run: r, As: asDraft}}}, secret, nil, false, true},
		{"model, stranger", []artifact{{"m", use{Run: r, As: asModel}}}, secret, nil, true, true},
		{"update and its run's model, stranger", []artifact{{"u", use{Run: r, As: asUpdate}}, {"m", use{Run: r, As: asModel}}}, secret, nil, true, true},
		{"frozen in base and update, stranger", []artifact{{"base", use{Run: r, As: asModel}}, {"u", use{Run: r, As: asUpdate}}}, frozen, nil, true, true},
		{"only in the update, stranger", []artifact{{"base", use{Run: r, As: asModel}}, {"u", use{Run: r, As: asUpdate}}}, secret, nil, false, true},
		{"update named as another run's base, stranger", []artifact{{"u", use{Run: r, As: asUpdate}}, {"u", use{Run: other, As: asModel}}}, secret, []block.CID{other}, false, true},
		{"its shards in another run's base, stranger", []artifact{{"u", use{Run: r, As: asUpdate}}, {"m", use{Run: other, As: asModel}}}, secret, []block.CID{other}, false, true},
	} {
		x, _ := newTestIndex(t)
		for _, a := range c.artifacts {
			shards := []block.CID{testCID(block.Raw, frozen), testCID(block.Raw, secret)}
			if a.name == "base" {
				shards = shards[:1]
			}
			x.add(t.Context(), testCID(block.DagCBOR, a.name), shards, a.use)
		}
		readable, known := x.readable(testCID(block.Raw, c.block), func(run block.CID) bool { return slices.Contains(c.in, run) })
		if readable != c.readable || known != c.known {
			t.Errorf("%s: readable %v, known %v", c.name, readable, known)
		}
	}
	x, _ := newTestIndex(t)
	x.add(t.Context(), testCID(block.DagCBOR, "u"), nil, use{Run: r, As: asUpdate})
	if ok, known := x.readable(testCID(block.DagCBOR, "u"), func(block.CID) bool { return false }); ok || !known {
		t.Error("an update's manifest, which names its shards, is readable for strangers")
	}
}

// A draft becomes a model when the mesh commits it, whichever is first.
func TestIndexCommit(t *testing.T) {
	run, m := testCID(block.DagCBOR, "run"), testCID(block.DagCBOR, "m")
	for _, first := range []string{"draft", "commit"} {
		x, _ := newTestIndex(t)
		steps := []func(){
			func() { x.add(t.Context(), m, nil, use{Run: run, As: asDraft, Round: 4}) },
			func() { x.commit(m, run) },
		}
		if first == "commit" {
			slices.Reverse(steps)
		}
		for _, f := range steps {
			f()
		}
		if got := x.usesOf(m); !slices.Equal(got, []use{{Run: run, As: asModel}}) {
			t.Errorf("%s first: uses %v", first, got)
		}
	}
}

// After a restart the index knows what it knew, and the store has nothing else.
func TestIndexRestart(t *testing.T) {
	store := blockstore.NewMemory(blockstore.Options{})
	path, log := filepath.Join(t.TempDir(), indexName), slog.New(slog.DiscardHandler)
	x, err := openIndex(path, store, log)
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := testArtifact(t, store, 1), testArtifact(t, store, 2)
	m, err := readManifest(store, known)
	if err != nil {
		t.Fatal(err)
	}
	u := use{Run: testCID(block.DagCBOR, "run"), As: asUpdate, Round: 3}
	x.add(t.Context(), known, m.Shards, u)
	x.add(t.Context(), testCID(block.DagCBOR, "never came"), nil, u)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if x.add(ended, unknown, nil, u) {
		t.Error("a use was added after its end")
	}

	if x, err = openIndex(path, store, log); err != nil {
		t.Fatal(err)
	}
	if infos := store.Artifacts(); len(infos) != 1 || infos[0].Manifest != known {
		t.Errorf("the store has %v", infos)
	}
	if got := x.usesOf(known); !slices.Equal(got, []use{u}) {
		t.Errorf("uses %v", got)
	}
	if ok, _ := x.readable(m.Shards[0], func(block.CID) bool { return true }); !ok {
		t.Error("its shards are not known any more")
	}
	if got := x.remove(func(block.CID, use) bool { return true }); !slices.Equal(got, []block.CID{known}) {
		t.Errorf("removed %v", got)
	}
	if _, known := x.readable(m.Shards[0], func(block.CID) bool { return true }); known {
		t.Error("its shards are still known")
	}

	if err := os.WriteFile(path, []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = openIndex(path, store, log); err != nil || len(store.Artifacts()) != 0 {
		t.Errorf("a lost index: %v, %d artifacts", err, len(store.Artifacts()))
	}
}

// testArtifact puts a small artifact of one tensor into a store.
func testArtifact(t *testing.T, store blockstore.Store, fill byte) block.CID {
	t.Helper()
	b, err := store.NewArtifact(tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{4}}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 16)
	data[0] = fill
	if _, err := b.WriteShard(0, data); err != nil {
		t.Fatal(err)
	}
	c, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
