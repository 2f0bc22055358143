package blockstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

// Test runs the suite; newStore returns an empty store, each time another, and closes it at
// the end of the test.
func Test(t *testing.T, newStore func(testing.TB) blockstore.Store) {
	for name, f := range map[string]func(*testing.T, blockstore.Store){
		"Put":             testPut,
		"PutRefuses":      testPutRefuses,
		"Delete":          testDelete,
		"Write":           testWrite,
		"WriteRefuses":    testWriteRefuses,
		"WriteVerified":   testWriteVerified,
		"WriteRepeated":   testWriteRepeated,
		"WriteConcurrent": testWriteConcurrent,
		"WriteFinite":     testWriteFinite,
		"WriteResumes":    testWriteResumes,
		"WriteOvertaken":  testWriteOvertaken,
		"Abort":           testAbort,
		"Create":          testCreate,
		"Build":           testBuild,
		"BuildRefuses":    testBuildRefuses,
		"Import":          testImport,
		"ImportRefuses":   testImportRefuses,
		"ImportKeep":      testImportKeep,
		"ImportWide":      testImportWide,
		"Export":          testExport,
		"DeleteArtifact":  testDeleteArtifact,
		"Shared":          testShared,
		"List":            testList,
		"Scrub":           testScrub,
		"Check":           testCheck,
		"Close":           testClose,
		"Concurrent":      testConcurrent,
	} {
		t.Run(name, func(t *testing.T) { f(t, newStore(t)) })
	}
	t.Run("Model", func(t *testing.T) { testModel(t, newStore) })
}

func testPut(t *testing.T, s blockstore.Store) {
	blocks := []block.Block{
		block.New(block.Raw, nil),
		block.New(block.Raw, []byte("a shard")),
		block.Of("an entry"),
		block.New(block.Raw, make([]byte, block.MaxSize)),
	}
	for range 2 { // a second Put does nothing
		for _, b := range blocks {
			must(t, s.Put(b))
		}
	}
	total := uint64(0)
	for _, b := range blocks {
		wantBlock(t, s, b)
		total += uint64(len(b.Data))
	}
	if st := s.Stat(); st.Blocks != len(blocks) || st.BlockBytes != total || st.Bytes() != total {
		t.Errorf("stat %+v, want %d blocks of %d bytes", st, len(blocks), total)
	}
	n := 0
	for c, size := range s.All() {
		if data, err := s.Get(c); err != nil || int64(len(data)) != size {
			t.Errorf("All yields %s with %d bytes; Get: %d, %v", c, size, len(data), err)
		}
		for _, room := range []int64{0, size - 1, size, size + 9} {
			buf := make([]byte, max(0, room))
			data, err := s.Read(c, buf)
			inPlace := size > 0 && cap(buf) > 0 && &data[0] == &buf[:1][0]
			if err != nil || c.Verify(data) != nil || inPlace != (size > 0 && int64(cap(buf)) >= size) {
				t.Errorf("Read of %d bytes into %d: %d bytes, %v, or in the wrong place", size, room, len(data), err)
			}
		}
		n++
	}
	if n != len(blocks) {
		t.Errorf("All yields %d blocks", n)
	}
	for range s.All() {
		break
	}
}

func testPutRefuses(t *testing.T, s blockstore.Store) {
	b := block.New(block.Raw, []byte("right"))
	wantErr(t, s.Put(block.Block{CID: b.CID, Data: []byte("wrong")}), block.ErrMismatch)
	wantErr(t, s.Put(block.Block{Data: []byte("no CID")}), block.ErrMismatch)
	wantErr(t, s.Put(block.New(block.Raw, make([]byte, block.MaxSize+1))), blockstore.ErrTooLarge)
	wantNone(t, s, b.CID)
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("stat %+v", st)
	}
}

func testDelete(t *testing.T, s blockstore.Store) {
	var cs []block.CID
	for i := range 10 {
		b := block.Of(i)
		must(t, s.Put(b))
		cs = append(cs, b.CID)
	}
	must(t, s.Delete(cs[:9]...))
	for _, c := range cs[:9] {
		wantNone(t, s, c)
	}
	must(t, s.Delete(append(cs[:1], block.Of("never there").CID)...))
	must(t, s.Delete())
	wantBlock(t, s, block.Of(9))
	must(t, s.Put(block.Of(0)))
	wantBlock(t, s, block.Of(0))

	a := NewArtifact(Mixed, 8, 1)
	a.Store(t, s)
	for _, c := range []block.CID{a.CID, a.Manifest.Layout} {
		wantErr(t, s.Delete(cs[9], c), blockstore.ErrInUse)
	}
	must(t, s.Delete(a.Manifest.Shards...)) // were not put: they stay
	wantArtifact(t, s, a)
	wantBlock(t, s, block.Of(9))
}

func testScrub(t *testing.T, s blockstore.Store) {
	NewArtifact(Mixed, 8, 1).Store(t, s)
	must(t, s.Put(block.Of("an entry")))
	must(t, s.Scrub(t.Context(), func(err error) { t.Error(err) }))
}

func testCheck(t *testing.T, s blockstore.Store) {
	a, part := NewArtifact(Mixed, 8, 1), NewArtifact(Mixed, 8, 2)
	a.Store(t, s)
	must(t, s.Check(t.Context(), a.CID))
	w, err := s.Create(part.Manifest.Block(), part.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	must(t, w.WriteShard(part.Shards[0]))
	wantErr(t, s.Check(t.Context(), part.CID), blockstore.ErrIncomplete)
	must(t, w.Close())
	wantErr(t, s.Check(t.Context(), block.Of("nothing").CID), blockstore.ErrNotFound)
}

func testClose(t *testing.T, s blockstore.Store) {
	a, other := NewArtifact(Mixed, 8, 1), NewArtifact(Mixed, 8, 2)
	a.Store(t, s)
	w, err := s.Create(other.Manifest.Block(), other.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	b, err := s.NewArtifact(CutOf(Mixed, 8))
	must(t, err)
	must(t, s.Close())
	must(t, s.Close())
	_, got := s.Get(a.CID)
	_, opened := s.Open(a.CID)
	_, created := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	_, built := s.NewArtifact(CutOf(Mixed, 8))
	_, shard := b.WriteShard(0, a.Shards[0].Data)
	_, committed := b.Commit()
	_, imported := s.Import(t.Context(), a.File(t, nil), blockstore.ImportOptions{})
	for name, err := range map[string]error{
		"Get": got, "Open": opened, "Create": created, "NewArtifact": built, "Builder": shard, "Builder.Commit": committed, "Import": imported,
		"Put": s.Put(block.Of(1)), "Delete": s.Delete(a.CID), "DeleteArtifact": s.DeleteArtifact(a.CID),
		"Scrub": s.Scrub(t.Context(), func(error) {}), "Export": s.Export(a.CID, &bytes.Buffer{}), "Check": s.Check(t.Context(), a.CID),
		"Writer": w.WriteShard(other.Shards[0]), "Writer.Commit": w.Commit(),
	} {
		if !errors.Is(err, blockstore.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	must(t, w.Close())
	must(t, b.Abort())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// wantBlock fails unless the store has the block.
func wantBlock(t testing.TB, s blockstore.Blocks, b block.Block) {
	t.Helper()
	if err := holds(s, b); err != nil {
		t.Fatal(err)
	}
}

func holds(s blockstore.Blocks, b block.Block) error {
	got, err := s.Get(b.CID)
	if err != nil || !bytes.Equal(got, b.Data) {
		return fmt.Errorf("get %s: %d bytes, %w; want %d", b.CID, len(got), err, len(b.Data))
	}
	if !s.Has(b.CID) {
		return fmt.Errorf("block %s: Has is false", b.CID)
	}
	return nil
}

// wantNone fails if the store has the block.
func wantNone(t testing.TB, s blockstore.Blocks, c block.CID) {
	t.Helper()
	if err := lacks(s, c); err != nil {
		t.Fatal(err)
	}
}

func lacks(s blockstore.Blocks, c block.CID) error {
	if _, err := s.Get(c); !errors.Is(err, blockstore.ErrNotFound) || s.Has(c) {
		return fmt.Errorf("block %s: Get %w, Has %t; want none", c, err, s.Has(c))
	}
	return nil
}

// wantArtifact fails unless the store has all of the artifact.
func wantArtifact(t testing.TB, s blockstore.Store, want Artifact) {
	t.Helper()
	if err := Complete(s, want); err != nil {
		t.Fatal(err)
	}
}

// Complete returns an error unless the store has all of the artifact.
func Complete(s blockstore.Store, want Artifact) error {
	a, err := s.Open(want.CID)
	if err != nil {
		return err
	}
	defer a.Close()
	if a.Manifest.Block().CID != want.CID || a.Layout.Block().CID != want.Manifest.Layout || a.Len() != len(want.Shards) {
		return fmt.Errorf("opened %s with layout %s and %d shards", a.Manifest.Block().CID, a.Layout.Block().CID, a.Len())
	}
	var buf, all []byte
	for i, b := range want.Shards {
		if buf, err = a.ReadShard(i, buf); err != nil || !bytes.Equal(buf, b.Data) {
			return fmt.Errorf("shard %d: %x, %w; want %x", i, buf, err, b.Data)
		}
		if a.Shard(i).Bytes != len(b.Data) {
			return fmt.Errorf("shard %d: %+v", i, a.Shard(i))
		}
		all = append(all, buf...)
	}
	if !bytes.Equal(all, want.Data) {
		return errors.New("the shards are not the data")
	}
	for _, b := range append([]block.Block{want.Manifest.Block(), want.Layout.Block()}, want.Shards...) {
		if err := holds(s, b); err != nil {
			return err
		}
	}
	for _, i := range []int{-1, a.Len()} {
		if _, err := a.ReadShard(i, nil); !errors.Is(err, blockstore.ErrForeign) {
			return fmt.Errorf("shard %d of %d: %w", i, a.Len(), err)
		}
	}
	return nil
}
