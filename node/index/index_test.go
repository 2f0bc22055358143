package index

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/tensor"
)

func cidOf(codec block.Codec, name string) block.CID { return block.Sum(codec, []byte(name)) }

func newTestIndex(t *testing.T) (*Index, *blockstore.Memory) {
	t.Helper()
	store := blockstore.NewMemory(blockstore.Options{})
	x, err := Open(filepath.Join(t.TempDir(), site.IndexFile), store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return x, store
}

// Who may read a block that is part of several artifacts.
func TestIndexReadable(t *testing.T) {
	r, other := cidOf(block.DagCBOR, "run"), cidOf(block.DagCBOR, "run of a stranger")
	type artifact struct {
		name string
		use  Use
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
		{"update, participant", []artifact{{"u", Use{Run: r, As: AsUpdate}}}, secret, []block.CID{r}, true, true},
		{"update, another's participant", []artifact{{"u", Use{Run: r, As: AsUpdate}}}, secret, []block.CID{other}, false, true},
		{"draft, stranger", []artifact{{"d", Use{Run: r, As: AsDraft}}}, secret, nil, false, true},
		{"model, stranger", []artifact{{"m", Use{Run: r, As: AsModel}}}, secret, nil, true, true},
		{"update and its run's model, stranger", []artifact{{"u", Use{Run: r, As: AsUpdate}}, {"m", Use{Run: r, As: AsModel}}}, secret, nil, true, true},
		{"frozen in base and update, stranger", []artifact{{"base", Use{Run: r, As: AsModel}}, {"u", Use{Run: r, As: AsUpdate}}}, frozen, nil, true, true},
		{"only in the update, stranger", []artifact{{"base", Use{Run: r, As: AsModel}}, {"u", Use{Run: r, As: AsUpdate}}}, secret, nil, false, true},
		{"update named as another run's base, stranger", []artifact{{"u", Use{Run: r, As: AsUpdate}}, {"u", Use{Run: other, As: AsModel}}}, secret, []block.CID{other}, false, true},
		{"its shards in another run's base, stranger", []artifact{{"u", Use{Run: r, As: AsUpdate}}, {"m", Use{Run: other, As: AsModel}}}, secret, []block.CID{other}, false, true},
	} {
		x, _ := newTestIndex(t)
		for _, a := range c.artifacts {
			shards := []block.CID{cidOf(block.Raw, frozen), cidOf(block.Raw, secret)}
			if a.name == "base" {
				shards = shards[:1]
			}
			x.Add(t.Context(), cidOf(block.DagCBOR, a.name), shards, a.use)
		}
		readable, known := x.Readable(cidOf(block.Raw, c.block), func(run block.CID) bool { return slices.Contains(c.in, run) })
		if readable != c.readable || known != c.known {
			t.Errorf("%s: readable %v, known %v", c.name, readable, known)
		}
	}
	x, _ := newTestIndex(t)
	x.Add(t.Context(), cidOf(block.DagCBOR, "u"), nil, Use{Run: r, As: AsUpdate})
	if ok, known := x.Readable(cidOf(block.DagCBOR, "u"), func(block.CID) bool { return false }); ok || !known {
		t.Error("an update's manifest, which names its shards, is readable for strangers")
	}
}

// A draft becomes a model when the mesh commits it, whichever is first.
func TestIndexCommit(t *testing.T) {
	run, m := cidOf(block.DagCBOR, "run"), cidOf(block.DagCBOR, "m")
	for _, first := range []string{"draft", "commit"} {
		x, _ := newTestIndex(t)
		steps := []func(){
			func() { x.Add(t.Context(), m, nil, Use{Run: run, As: AsDraft, Round: 4}) },
			func() { x.Commit(m, run) },
		}
		if first == "commit" {
			slices.Reverse(steps)
		}
		for _, f := range steps {
			f()
		}
		if got := x.Uses(m); !slices.Equal(got, []Use{{Run: run, As: AsModel}}) {
			t.Errorf("%s first: uses %v", first, got)
		}
	}
}

// After a restart the index knows what it knew, and the store has nothing else.
func TestIndexRestart(t *testing.T) {
	store := blockstore.NewMemory(blockstore.Options{})
	path, log := filepath.Join(t.TempDir(), site.IndexFile), slog.New(slog.DiscardHandler)
	x, err := Open(path, store, log)
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := artifactIn(t, store, 1), artifactIn(t, store, 2)
	m, err := blockstore.ReadManifest(store, known)
	if err != nil {
		t.Fatal(err)
	}
	u := Use{Run: cidOf(block.DagCBOR, "run"), As: AsUpdate, Round: 3}
	x.Add(t.Context(), known, m.Shards, u)
	x.Add(t.Context(), cidOf(block.DagCBOR, "never came"), nil, u)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if x.Add(ended, unknown, nil, u) {
		t.Error("a use was added after its end")
	}

	if x, err = Open(path, store, log); err != nil {
		t.Fatal(err)
	}
	if infos := store.Artifacts(); len(infos) != 1 || infos[0].Manifest != known {
		t.Errorf("the store has %v", infos)
	}
	if got := x.Uses(known); !slices.Equal(got, []Use{u}) {
		t.Errorf("uses %v", got)
	}
	if ok, _ := x.Readable(m.Shards[0], func(block.CID) bool { return true }); !ok {
		t.Error("its shards are not known any more")
	}
	if got, _ := x.Remove(func(block.CID, Use) bool { return true }); !slices.Equal(got, []block.CID{known}) {
		t.Errorf("removed %v", got)
	}
	if _, known := x.Readable(m.Shards[0], func(block.CID) bool { return true }); known {
		t.Error("its shards are still known")
	}

	if err := os.WriteFile(path, []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(path, store, log); err != nil || len(store.Artifacts()) != 0 {
		t.Errorf("a lost index: %v, %d artifacts", err, len(store.Artifacts()))
	}
}

// artifactIn puts a small artifact of one tensor into a store.
func artifactIn(t *testing.T, store blockstore.Store, fill byte) block.CID {
	t.Helper()
	cut, err := (tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{4}}}}).Cut(0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.NewArtifact(cut)
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

// Changes that nobody waits for are saved by Run, together, and not by who makes them.
func TestIndexSavesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _ := newTestIndex(t)
		run := cidOf(block.DagCBOR, "run")
		for _, name := range []string{"a", "b", "c"} {
			x.Add(t.Context(), cidOf(block.DagCBOR, name), nil, Use{Run: run, As: AsDraft})
		}
		saved := func() string {
			data, err := os.ReadFile(x.path)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		before := saved()
		x.Commit(cidOf(block.DagCBOR, "a"), run)
		x.Remove(func(m block.CID, _ Use) bool { return m == cidOf(block.DagCBOR, "b") })
		if saved() != before || strings.Count(before, string(AsDraft)) != 3 {
			t.Errorf("saved before Run: %s", saved())
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- x.Run(ctx) }()
		synctest.Wait()
		if s := saved(); strings.Count(s, string(AsDraft)) != 1 || strings.Count(s, string(AsModel)) != 1 {
			t.Errorf("Run saved %s", s)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
