package blockstoretest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

func testBuild(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	b, err := s.NewArtifact(CutOf(Mixed, 4))
	must(t, err)
	if b.Len() != len(a.Shards) {
		t.Fatalf("%d shards, want %d", b.Len(), len(a.Shards))
	}
	_, err = b.Commit()
	wantErr(t, err, blockstore.ErrIncomplete)
	var group sync.WaitGroup
	for g := range 3 {
		group.Go(func() {
			for i := g; i < b.Len(); i += 3 {
				j := b.Len() - 1 - i
				c, err := b.WriteShard(j, a.Shards[j].Data)
				if err == nil {
					err = holds(s, a.Shards[j]) // at once, to serve it
				}
				if err != nil || c != a.Shards[j].CID || b.Shard(j).Bytes != len(a.Shards[j].Data) {
					t.Errorf("shard %d: %s, %v", j, c, err)
				}
			}
		})
	}
	group.Wait()
	c, err := b.Commit()
	must(t, err)
	if c != a.CID {
		t.Fatalf("built %s, want %s", c, a.CID)
	}
	wantArtifact(t, s, a)
	must(t, b.Abort()) // does nothing
	_, err = b.Commit()
	wantErr(t, err, blockstore.ErrClosed)
	wantArtifact(t, s, a)

	again, err := s.NewArtifact(CutOf(Mixed, 4))
	must(t, err)
	for i, shard := range a.Shards {
		_, err := again.WriteShard(i, shard.Data)
		must(t, err)
	}
	if c, err := again.Commit(); err != nil || c != a.CID {
		t.Fatalf("built again %s, %v", c, err)
	}
	wantArtifact(t, s, a)

	gone, err := s.NewArtifact(CutOf(Mixed, 4))
	must(t, err)
	other := NewArtifact(Mixed, 4, 2)
	_, err = gone.WriteShard(0, other.Shards[0].Data)
	must(t, err)
	must(t, gone.Abort())
	must(t, gone.Abort())
	wantNone(t, s, other.Shards[0].CID)
	wantArtifact(t, s, a)
}

func testBuildRefuses(t *testing.T, s blockstore.Store) {
	for _, l := range []tensor.Layout{
		{},
		{Tensors: []tensor.Tensor{{Name: "x", DType: "C64", Shape: []uint64{1}}}},
		{Tensors: []tensor.Tensor{{Name: "x", DType: tensor.F32, Shape: []uint64{0}}}},
	} {
		cut, err := l.Cut(8)
		if err == nil {
			_, err = s.NewArtifact(cut)
		}
		wantErr(t, err, tensor.ErrInvalid)
	}
	disordered := Mixed
	disordered.Tensors = slices.Clone(Mixed.Tensors)
	slices.Reverse(disordered.Tensors)
	_, err := s.NewArtifact(CutOf(disordered, 8))
	wantErr(t, err, tensor.ErrInvalid)

	a, other := NewArtifact(Mixed, 8, 1), NewArtifact(Mixed, 8, 2)
	b, err := s.NewArtifact(CutOf(Mixed, 8))
	must(t, err)
	_, err = b.WriteShard(0, a.Shards[0].Data[1:])
	wantErr(t, err, tensor.ErrInvalid)
	_, err = b.WriteShard(b.Len(), nil)
	wantErr(t, err, blockstore.ErrForeign)
	for range 2 {
		_, err = b.WriteShard(0, a.Shards[0].Data)
		must(t, err)
	}
	_, err = b.WriteShard(0, other.Shards[0].Data)
	wantErr(t, err, tensor.ErrInvalid)
	must(t, b.Abort())
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("stat %+v", st)
	}
}

func testImport(t *testing.T, s blockstore.Store) {
	for seed, order := range [][]int{
		nil,                // canonical
		{0, 1, 3, 2, 4, 5}, // canonical: the tensor without elements may stand anywhere
		{5, 4, 3, 2, 1, 0},
		{1, 4, 3, 5, 2, 0}, // widest first, as the safetensors library writes
	} {
		for _, workers := range []int{0, 1, 7} {
			a := NewArtifact(Mixed, 4, uint64(10*seed+workers))
			c, err := s.Import(t.Context(), a.File(t, order), blockstore.ImportOptions{
				Layout: a.Manifest.Layout, ShardElements: 4, Finite: true, Workers: workers,
			})
			must(t, err)
			if c != a.CID {
				t.Fatalf("order %v: imported %s, want %s", order, c, a.CID)
			}
			wantArtifact(t, s, a)
		}
	}
	a := NewArtifact(Mixed, 0, 99)
	for range 2 { // the second time it is there already
		c, err := s.Import(t.Context(), a.File(t, nil), blockstore.ImportOptions{})
		must(t, err)
		if c != a.CID {
			t.Fatalf("imported %s with default shards, want %s", c, a.CID)
		}
		wantArtifact(t, s, a)
	}
	partial := NewArtifact(Mixed, 4, 100)
	w := create(t, s, partial, blockstore.WriteOptions{})
	must(t, w.WriteShard(partial.Shards[0]))
	must(t, w.Close())
	_, err := s.Import(t.Context(), partial.File(t, nil), blockstore.ImportOptions{ShardElements: 4})
	must(t, err)
	wantArtifact(t, s, partial)
}

// testImportWide takes files in as F32, with the values that they have, and leaves them alone where that is another type.
func testImportWide(t *testing.T, s blockstore.Store) {
	for seed, order := range [][]int{nil, {5, 4, 3, 2, 1, 0}} {
		narrow := NewArtifact(Mixed, 4, uint64(seed))
		wide := narrow.wide()
		for _, keep := range []bool{true, false} {
			c, err := s.Import(t.Context(), narrow.File(t, order), blockstore.ImportOptions{
				Layout: wide.Manifest.Layout, ShardElements: 4, Finite: true, Keep: keep, Wide: true,
			})
			must(t, err)
			if c != wide.CID {
				t.Fatalf("order %v: imported %s, want %s", order, c, wide.CID)
			}
			wantArtifact(t, s, wide)
		}
		c, err := s.Import(t.Context(), wide.File(t, order), blockstore.ImportOptions{ShardElements: 4, Wide: true})
		if err != nil || c != wide.CID {
			t.Fatalf("order %v: F32 as F32: %s, %v", order, c, err)
		}
	}
	bad := poison(NewArtifact(Mixed, 4, 1), "b", 13)
	_, err := s.Import(t.Context(), bad.File(t, nil), blockstore.ImportOptions{Finite: true, ShardElements: 4, Wide: true})
	wantElement(t, err, "b", 13)
}

func testImportKeep(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	for _, order := range [][]int{nil, {5, 4, 3, 2, 1, 0}} {
		path := a.File(t, order)
		before, err := os.ReadFile(path)
		must(t, err)
		_, err = s.Import(t.Context(), path, blockstore.ImportOptions{ShardElements: 4, Keep: true})
		must(t, err)
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Fatalf("the file changed, %v", err)
		}
		wantArtifact(t, s, a)
	}
}

func testImportRefuses(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	path := a.File(t, nil)
	refused := func(path string, opt blockstore.ImportOptions, want error, hint string) {
		t.Helper()
		_, err := s.Import(t.Context(), path, opt)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), hint) {
			t.Errorf("error %v; want %v with %q", err, want, hint)
		}
	}
	run := tensor.Layout{Tensors: Mixed.Tensors[1:]}.Block()
	refused(path, blockstore.ImportOptions{Layout: run.CID}, blockstore.ErrLayout, run.CID.String())
	must(t, s.Put(run))
	refused(path, blockstore.ImportOptions{Layout: run.CID}, blockstore.ErrLayout, `"a.bias" is not in it`)
	must(t, s.Delete(run.CID))
	refused(path, blockstore.ImportOptions{ShardElements: block.MaxSize}, tensor.ErrInvalid, "shards of")
	refused(path+"x", blockstore.ImportOptions{}, fs.ErrNotExist, path)
	bad := poison(poison(a, "b", 13), "a.weight", 3)
	for _, order := range [][]int{nil, {5, 4, 3, 2, 1, 0}} {
		for range 20 { // workers race, the error does not
			_, err := s.Import(t.Context(), bad.File(t, order), blockstore.ImportOptions{Finite: true, ShardElements: 4, Workers: 4})
			wantElement(t, err, "a.weight", 3)
		}
	}
	text, err := os.ReadFile(path)
	must(t, err)
	cut := path + "cut"
	must(t, os.WriteFile(cut, text[:len(text)-1], 0o600))
	refused(cut, blockstore.ImportOptions{}, tensor.ErrSafetensors, "whole")
	must(t, os.WriteFile(cut, bytes.Replace(text, []byte(`"F16"`), []byte(`"Q16"`), 1), 0o600))
	refused(cut, blockstore.ImportOptions{}, tensor.ErrInvalid, `tensor "a.bias": not valid: dtype "Q16"`)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(text, after) {
		t.Errorf("a refused file changed, %v", err)
	}
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("refused, yet stat %+v", st)
	}
}

func testExport(t *testing.T, s blockstore.Store) {
	a := NewArtifact(Mixed, 4, 1)
	a.Store(t, s)
	var out bytes.Buffer
	must(t, s.Export(a.CID, &out))
	if !bytes.Equal(out.Bytes(), append(a.Layout.SafetensorsHeader(), a.Data...)) {
		t.Error("not the header and the data")
	}
	h, err := tensor.ReadHeader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	must(t, err)
	l, err := h.Layout()
	must(t, err)
	if l.Block().CID != a.Manifest.Layout || !h.Canonical() || h.Metadata["format"] != "pt" {
		t.Errorf("header %+v", h)
	}
	wantErr(t, s.Export(a.Shards[0].CID, &out), blockstore.ErrNotFound)
}
