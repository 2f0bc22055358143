package blockstore_test

import (
	"errors"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

// Artifacts stop at the reserve, with an error that says so, and go on when there is room; small blocks, such as the ledger's, may
// use it.
func TestReserve(t *testing.T) {
	fs := blockstore.NewCrashFS()
	free, size := uint64(100<<20), uint64(1<<30)
	fs.Room = func() (uint64, uint64) { return free, size }
	s, err := blockstore.OpenOn(fs, "/store", blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	room := func(want uint64) {
		t.Helper()
		if got, err := s.Room(); err != nil || got != want {
			t.Errorf("room for %d (%v), want %d", got, err, want)
		}
	}
	room(100<<20 - size/20)
	free = 1 << 20
	room(0)
	size, free = 1<<40, 5<<30
	room(4 << 30) // of a large disk 1 GiB stays free

	a := blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 1)
	free = 1 << 30
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write := func() (err error) {
		for _, shard := range a.Shards {
			err = errors.Join(err, w.WriteShard(shard))
		}
		return err
	}
	if err := write(); !errors.Is(err, blockstore.ErrFull) {
		t.Errorf("a shard is written into the reserve: %v", err)
	}
	if err := s.Put(block.New(block.Raw, make([]byte, 4<<10))); err != nil {
		t.Errorf("an entry of the ledger has no room: %v", err)
	}
	if err := s.Put(block.New(block.Raw, make([]byte, 1<<20))); !errors.Is(err, blockstore.ErrFull) {
		t.Errorf("a large block is written into the reserve: %v", err)
	}
	b, err := s.NewArtifact(blockstoretest.CutOf(a.Layout, 8))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteShard(0, a.Shards[0].Data); !errors.Is(err, blockstore.ErrFull) {
		t.Errorf("a computed shard is written into the reserve: %v", err)
	}
	free = 2 << 30
	if err := errors.Join(write(), w.Commit()); err != nil {
		t.Errorf("with room: %v", err)
	}
}
