package blockstore_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

// A store's directory in which bytes have gone bad, files were cut, grew or are gone, opens, but for its format; what it gives out
// is what was asked for, and what went bad can be stored again.
func FuzzDirectory(f *testing.F) {
	whole, part := blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 1), blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 2)
	disk := blockstore.NewCrashFS()
	s, err := blockstore.OpenOn(disk, crashDir, blockstore.Options{})
	must(f, err)
	whole.Store(f, s)
	loose := block.New(block.Raw, []byte("a block of its own"))
	must(f, s.Put(loose))
	w, err := s.Create(part.Manifest.Block(), part.Layout.Block(), blockstore.WriteOptions{})
	must(f, err)
	must(f, w.WriteShard(part.Shards[1]))
	must(f, errors.Join(w.Close(), s.Close()))
	for i := range disk.Names(crashDir) {
		for op := range byte(4) {
			f.Add([]byte{byte(i), op, 7, 200})
		}
	}
	blocks := append(append([]block.Block{loose, whole.Manifest.Block(), part.Manifest.Block(), whole.Layout.Block()}, whole.Shards...), part.Shards...)
	f.Fuzz(func(t *testing.T, edits []byte) {
		disk := disk.After(nil, 0)
		format := false
		for ; len(edits) >= 4; edits = edits[4:] {
			names := disk.Names(crashDir)
			name := names[int(edits[0])%len(names)]
			format = format || filepath.Base(name) == "format"
			disk.Set(name, edited(disk.Data(name), edits[1], int(edits[2]), edits[3]))
		}
		s, err := blockstore.OpenOn(disk, crashDir, blockstore.Options{})
		if err != nil {
			if !format || !errors.Is(err, blockstore.ErrFormat) {
				t.Fatalf("it does not open: %v", err)
			}
			return
		}
		for _, b := range blocks {
			if data, err := s.Get(b.CID); err == nil && !bytes.Equal(data, b.Data) {
				t.Fatalf("%s has other bytes", b.CID)
			}
		}
		must(t, s.Scrub(t.Context(), func(error) {}))
		must(t, s.Put(loose))
		whole.Store(t, s)
		err = s.Check(t.Context(), whole.CID)
		if errors.As(err, new(*blockstore.CorruptError)) { // a header, which it has repaired: no CID covers that
			err = s.Check(t.Context(), whole.CID)
		}
		if err != nil {
			t.Fatalf("stored again, and not whole: %v", err)
		}
		must(t, s.Close())
	})
}

// edited flips bits of a file, cuts it off, lets it grow, or empties it.
func edited(data []byte, op byte, at int, by byte) []byte {
	switch at %= max(1, len(data)); {
	case len(data) == 0 || op%4 == 3:
		return append(data, by)
	case op%4 == 0:
		data[at] ^= by
		return data
	case op%4 == 1:
		return data[:at]
	}
	return nil
}
