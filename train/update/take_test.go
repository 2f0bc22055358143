package update

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
	"github.com/weft-mesh/weft/train"
)

// TestTake: an update has the run's layout and its base's cut, whatever the default is, and what is refused says why.
func TestTake(t *testing.T) {
	store := blockstore.NewMemory(blockstore.Options{})
	base := blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 1)
	base.Store(t, store)
	made, other := blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 2), base
	other.Layout.Tensors = other.Layout.Tensors[:2]
	other.Data = other.Data[:other.Layout.Bytes()]
	diverged := blockstoretest.Cut(base.Layout, 8, append([]byte{0xff, 0xff}, base.Data[2:]...))
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("no tensors"), 0o600); err != nil {
		t.Fatal(err)
	}
	take := func(from block.CID, samples uint64, file string) (block.CID, error) {
		taken, err := Training{Spec: &ledger.RunSpec{Layout: base.Manifest.Layout}, Base: from, Result: train.Result{Update: file, Samples: samples}}.Take(context.Background(), store)
		return taken.Manifest, err
	}
	if got, err := take(base.CID, 1, made.File(t, []int{5, 4, 3, 2, 1, 0})); err != nil || got != made.CID {
		t.Errorf("an update is %s, %v; want %s, cut as its base", got, err, made.CID)
	}
	for name, c := range map[string]struct {
		from    block.CID
		samples uint64
		file    string
		is      error
		says    string
	}{
		"no samples":     {base.CID, 0, made.File(t, nil), nil, "no samples"},
		"no base":        {made.Manifest.Layout, 1, made.File(t, nil), block.ErrEncoding, "the round's base"},
		"another layout": {base.CID, 1, other.File(t, nil), blockstore.ErrLayout, "missing"},
		"diverged":       {base.CID, 1, diverged.File(t, nil), tensor.ErrNotFinite, "a.bias"},
		"junk":           {base.CID, 1, junk, tensor.ErrSafetensors, "import"},
	} {
		_, err := take(c.from, c.samples, c.file)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.is, c.says)
		}
	}
}
