package blockstoretest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

func testDeleteArtifact(t *testing.T, s blockstore.Store) {
	a, b := NewArtifact(Mixed, 4, 1), NewArtifact(Mixed, 4, 2)
	a.Store(t, s)
	b.Store(t, s)
	open, err := s.Open(a.CID)
	must(t, err)
	must(t, s.DeleteArtifact(a.CID))
	must(t, s.DeleteArtifact(a.CID))
	_, err = s.Open(a.CID)
	wantErr(t, err, blockstore.ErrNotFound)
	for _, c := range append(slices.Clone(a.Manifest.Shards), a.CID) {
		wantNone(t, s, c)
	}
	wantBlock(t, s, a.Layout.Block()) // b has it too
	wantArtifact(t, s, b)
	for i, shard := range a.Shards { // who has it open can go on
		if got, err := open.ReadShard(i, nil); err != nil || !bytes.Equal(got, shard.Data) {
			t.Fatalf("shard %d of an open artifact: %x, %v", i, got, err)
		}
	}
	must(t, open.Close())
	must(t, s.DeleteArtifact(b.CID))
	wantNone(t, s, a.Manifest.Layout)
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("stat %+v", st)
	}
	a.Store(t, s)
	wantArtifact(t, s, a)
}

// sibling is an artifact that differs from a in its last shard only.
func sibling(a Artifact) Artifact {
	data := bytes.Clone(a.Data)
	data[len(data)-2] ^= 1
	return Cut(a.Layout, a.Manifest.ShardElements, data)
}

func testShared(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	b := sibling(a)
	last := len(a.Shards) - 1
	a.Store(t, s)
	w := create(t, s, b, blockstore.WriteOptions{})
	if missing := w.Missing(); !slices.Equal(missing, b.Manifest.Shards[last:]) {
		t.Fatalf("missing %d; all but the last are in the store", len(missing))
	}
	must(t, s.Put(b.Shards[last]))
	must(t, w.Close())
	w = create(t, s, b, blockstore.WriteOptions{})
	if missing := w.Missing(); len(missing) != 0 {
		t.Fatalf("missing %d; the last was put", len(missing))
	}
	must(t, w.Commit())
	must(t, s.DeleteArtifact(a.CID))
	wantArtifact(t, s, b)
	wantNone(t, s, a.Shards[last].CID)
	must(t, s.DeleteArtifact(b.CID))
	wantNone(t, s, a.Shards[0].CID)
	wantBlock(t, s, b.Shards[last]) // was put by itself
}

func testList(t *testing.T, s blockstore.Store) {
	a, b := NewArtifact(Mixed, 4, 1), NewArtifact(Mixed, 8, 2)
	a.Store(t, s)
	w := create(t, s, b, blockstore.WriteOptions{})
	must(t, w.WriteShard(b.Shards[0]))
	must(t, w.WriteShard(b.Shards[1]))
	must(t, s.Put(block.Of("an entry")))
	layout := a.Manifest.Layout
	want := []blockstore.Info{
		{Manifest: a.CID, Layout: layout, State: blockstore.Complete, Bytes: uint64(len(a.Data)), Held: len(a.Shards), Shards: len(a.Shards)},
		{Manifest: b.CID, Layout: layout, State: blockstore.Partial, Bytes: uint64(len(b.Shards[0].Data) + len(b.Shards[1].Data)), Held: 2, Shards: len(b.Shards)},
	}
	slices.SortFunc(want, func(x, y blockstore.Info) int { return x.Manifest.Compare(y.Manifest) })
	if got := s.Artifacts(); !slices.Equal(got, want) {
		t.Errorf("artifacts %+v, want %+v", got, want)
	}
	stat := blockstore.Stat{Blocks: 4, Artifacts: 1, Partials: 1, ArtifactBytes: want[0].Bytes + want[1].Bytes}
	for _, x := range []block.Block{a.Manifest.Block(), b.Manifest.Block(), a.Layout.Block(), block.Of("an entry")} {
		stat.BlockBytes += uint64(len(x.Data))
	}
	if got := s.Stat(); got != stat || got.Bytes() != stat.BlockBytes+stat.ArtifactBytes {
		t.Errorf("stat %+v, want %+v", got, stat)
	}
	must(t, w.Close())
}
