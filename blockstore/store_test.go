package blockstore_test

import (
	"testing"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

func TestDisk(t *testing.T) {
	t.Parallel()
	blockstoretest.Test(t, func(t testing.TB) blockstore.Store { return openQuick(t, t.TempDir()) })
}

func TestMemory(t *testing.T) {
	t.Parallel()
	blockstoretest.Test(t, func(t testing.TB) blockstore.Store {
		return blockstore.NewMemory(blockstore.Options{})
	})
}

func openQuick(t testing.TB, dir string) *blockstore.Disk {
	t.Helper()
	s, err := blockstore.OpenQuick(dir, blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
