package blockstore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/tensor"
)

// What is whole in a store that is open elsewhere can be read; what is missing, partial or damaged is told apart.
func TestOpenArtifact(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := blockstore.OpenDisk(dir, blockstore.Options{})
	must(t, err)
	defer s.Close()
	whole, part, never := blockstoretest.NewArtifact(mixed, 8, 1), blockstoretest.NewArtifact(mixed, 8, 2), blockstoretest.NewArtifact(mixed, 8, 3)
	whole.Store(t, s)
	w, err := s.Create(part.Manifest.Block(), part.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	defer w.Close()
	must(t, w.WriteShard(part.Shards[0]))

	a, err := blockstore.OpenArtifact(dir, whole.CID)
	must(t, err)
	defer a.Close()
	for i, want := range whole.Shards {
		got, err := a.ReadShard(i, nil)
		must(t, err)
		if !bytes.Equal(got, want.Data) {
			t.Errorf("shard %d differs", i)
		}
	}
	for _, c := range []struct {
		name string
		cid  block.CID
		want error
	}{{"partial", part.CID, blockstore.ErrIncomplete}, {"never stored", never.CID, blockstore.ErrNotFound}} {
		if _, err := blockstore.OpenArtifact(dir, c.cid); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	file := filepath.Join(dir, "artifacts", whole.CID.String()+".safetensors")
	must(t, os.Chmod(file, 0o600))
	must(t, os.Truncate(file, int64(len(read(t, file))-1)))
	if _, err := blockstore.OpenArtifact(dir, whole.CID); !errors.Is(err, tensor.ErrInvalid) {
		t.Errorf("cut short: %v", err)
	}
	for _, path := range files(t, filepath.Join(dir, "blocks")) {
		if filepath.Base(path) == whole.CID.String() {
			path = filepath.Join(dir, "blocks", path)
			data := read(t, path)
			data[len(data)-1] ^= 1
			must(t, os.WriteFile(path, data, 0o600))
		}
	}
	if _, err := blockstore.OpenArtifact(dir, whole.CID); !errors.Is(err, block.ErrMismatch) {
		t.Errorf("a manifest that went bad: %v", err)
	}
}
