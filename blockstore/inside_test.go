package blockstore

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// TestShardIndex compares with a plain list of places.
func TestShardIndex(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newShardIndex()
		items := []*item{{}, {}, {}}
		cids := []block.CID{block.Sum(block.Raw, []byte("a")), block.Sum(block.Raw, []byte("b"))}
		held := make(map[block.CID]map[*item]bool)
		for _, c := range cids {
			held[c] = make(map[*item]bool)
		}
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			c, it := rapid.SampledFrom(cids).Draw(r, "cid"), rapid.SampledFrom(items).Draw(r, "item")
			if rapid.Bool().Draw(r, "add") {
				x.add(c, place{it, 0})
				held[c][it] = true
			} else {
				x.remove(c, it)
				delete(held[c], it)
			}
			for _, c := range cids {
				p, ok := x.find(c)
				if ok != (len(held[c]) > 0) || ok && !held[c][p.item] || len(x.more[c]) != max(0, len(held[c])-1) {
					r.Fatalf("found %t with %d places, %d more", ok, len(held[c]), len(x.more[c]))
				}
			}
		}
	})
}

func TestBitmap(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 64, 65} {
		b := newBitmap(n)
		for i := range n {
			if b.has(i) {
				t.Fatalf("%d: has %d", n, i)
			}
			b.add(i)
			if !b.has(i) || b.count() != i+1 || !b.valid(n) {
				t.Fatalf("%d: %x after %d", n, b, i)
			}
		}
		c := b.clone()
		c.remove(n - 1)
		if c.has(n-1) || !b.has(n-1) || c.count() != n-1 || b.valid(n+8) || n%8 != 0 && b.valid(n-1) {
			t.Fatalf("%d: %x and %x", n, b, c)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	c := block.Of("manifest").CID
	for _, r := range []record{{c, true, []byte{0xff, 3}}, {c, false, []byte{0, 0}}, {block.Of("other").CID, true, []byte{1, 0}}} {
		b := block.Of(r)
		d := b.CID.Digest()
		f.Add(append(d[:], b.Data...))
		f.Add(b.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range [][]byte{data, sealed(data)} { // few random bytes match their digest
			r, err := parseRecord(file, c, 10)
			if err == nil && (r.Manifest != c || !bitmap(r.Held).valid(10) || !bytes.Equal(block.Encode(r), file[block.DigestSize:])) {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func sealed(data []byte) []byte {
	d := block.Sum(block.DagCBOR, data).Digest()
	return append(d[:], data...)
}

// A store that is closed while a Writer is being made ends it: the Writer has no file yet.
func TestCloseInCreate(t *testing.T) {
	s := NewMemory(Options{})
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "a", DType: tensor.F32, Shape: []uint64{2}}}}
	cut, err := l.Cut(2)
	if err != nil {
		t.Fatal(err)
	}
	m := newManifest(l.Block().CID, cut, []block.CID{block.Sum(block.Raw, make([]byte, 8))})
	w := newWriter(s.artifacts, m.Block().CID, m.Shards, WriteOptions{})
	if err := s.artifacts.open.add(w); err != nil {
		t.Fatal(err)
	}
	it, _, err := s.catalog.reserve(newItem(m.Block().CID, m, cut), w.fill)
	if err != nil {
		t.Fatal(err)
	}
	w.attach(it)
	s.catalog.add(it, 0) // as if there were something to make durable
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Whoever finds a shard of an artifact bad that is deleted meanwhile leaves nothing of it behind.
func TestLoseOfDeleted(t *testing.T) {
	s := NewMemory(Options{})
	defer s.Close()
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "a", DType: tensor.F32, Shape: []uint64{2}}}}
	cut, err := l.Cut(1)
	if err != nil {
		t.Fatal(err)
	}
	same := block.New(block.Raw, make([]byte, 4)) // in both shards
	m := newManifest(l.Block().CID, cut, []block.CID{same.CID, same.CID})
	w, err := s.Create(m.Block(), l.Block(), WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteShard(same); err != nil {
		t.Fatal(err)
	}
	it := w.it
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteArtifact(m.Block().CID); err != nil {
		t.Fatal(err)
	}
	if err := s.artifacts.loseShards(it, []int{0}); err != nil || s.Has(same.CID) {
		t.Errorf("lose: %v; the store has the shard: %t", err, s.Has(same.CID))
	}
}

// What has ended is not kept for Close.
func TestHandlesEnd(t *testing.T) {
	s := NewMemory(Options{})
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "a", DType: tensor.F32, Shape: []uint64{2}}}}
	cut, err := l.Cut(0)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 8)
	build := func() *Builder {
		b, err := s.NewArtifact(cut)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.WriteShard(0, data); err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := build().Abort(); err != nil {
		t.Fatal(err)
	}
	b := build()
	c, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := s.Get(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(*Writer) error{(*Writer).Close, (*Writer).Abort, (*Writer).Commit} {
		w, err := s.Create(block.New(block.DagCBOR, manifest), l.Block(), WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.artifacts.open.open); n != 1 {
			t.Errorf("%d open, want 1", n)
		}
		if err := end(w); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.artifacts.open.open); n != 0 {
		t.Errorf("%d open, want none", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.NewArtifact(cut); !errors.Is(err, ErrClosed) {
		t.Errorf("a Builder of a closed store: %v", err)
	}
}
