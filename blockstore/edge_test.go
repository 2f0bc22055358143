package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

// newCrashStore returns a store on a disk that has the artifact's file, too.
func newCrashStore(t *testing.T, a blockstoretest.Artifact, opt blockstore.Options) (*blockstore.CrashFS, *blockstore.Disk) {
	t.Helper()
	disk := blockstore.NewCrashFS()
	disk.Set(update, safetensors(t, a, nil))
	s, err := blockstore.OpenOn(disk, crashDir, opt)
	must(t, err)
	return disk, s
}

func TestImportChanged(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	for _, keep := range []bool{false, true} {
		disk, s := newCrashStore(t, a, blockstore.Options{})
		changed := false
		disk.Fail = func(_ int, op, name string) error {
			if !changed && (op == "sync" || op == "write") { // after the header was read
				changed = true
				disk.Grow(update)
			}
			return nil
		}
		if _, err := s.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8, Keep: keep}); !errors.Is(err, blockstore.ErrChanged) {
			t.Errorf("keep %t: %v", keep, err)
		}
		if disk.Data(update) == nil || s.Stat() != (blockstore.Stat{}) {
			t.Errorf("keep %t: file %d bytes, stat %+v", keep, len(disk.Data(update)), s.Stat())
		}
	}
}

// TestImportOtherFileSystem has a rename fail that seemed possible.
func TestImportOtherFileSystem(t *testing.T) {
	for _, cause := range []error{syscall.EXDEV, syscall.EACCES} {
		a := blockstoretest.NewArtifact(mixed, 8, 1)
		disk, s := newCrashStore(t, a, blockstore.Options{})
		disk.Fail = func(_ int, op, name string) error {
			if op == "rename" && strings.HasPrefix(name, update) {
				return cause
			}
			return nil
		}
		before := disk.Data(update)
		if c, err := s.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8}); err != nil || c != a.CID {
			t.Fatalf("%v: %s, %v", cause, c, err)
		}
		must(t, blockstoretest.Complete(s, a))
		if !bytes.Equal(disk.Data(update), before) {
			t.Errorf("%v: the file changed", cause)
		}
	}
}

func TestImportLayoutHints(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	s := blockstore.NewMemory(blockstore.Options{})
	change := func(i int, f func(*blockstore.Tensor)) blockstore.Layout {
		l := blockstore.Layout{Tensors: slices.Clone(mixed.Tensors)}
		f(&l.Tensors[i])
		return l
	}
	last := len(mixed.Tensors) - 1
	for hint, l := range map[string]blockstore.Layout{
		`tensor "a.bias" is F16, not F32`:        change(0, func(x *blockstore.Tensor) { x.DType = blockstore.F32 }),
		`tensor "b" has shape [2 1 7], not [14]`: change(2, func(x *blockstore.Tensor) { x.Shape = []uint64{14} }),
		`tensor "a.weigh" is missing`:            change(1, func(x *blockstore.Tensor) { x.Name = "a.weigh" }),
		`tensor "scale" is not in it`:            change(4, func(x *blockstore.Tensor) { x.Name = "scale2" }),
		`tensor "ünïz" is missing`:               {Tensors: append(slices.Clone(mixed.Tensors), blockstore.Tensor{Name: "ünïz", DType: blockstore.F32})},
		`tensor "ünïcode <&> \"\n" is not in it`: {Tensors: mixed.Tensors[:last]},
	} {
		must(t, s.Put(l.Block()))
		_, err := s.Import(t.Context(), a.File(t, nil), blockstore.ImportOptions{Layout: l.Block().CID})
		if !errors.Is(err, blockstore.ErrLayout) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%v; want %q", err, hint)
		}
	}
}

// TestSyncBytes lets a Writer sync of its own accord.
func TestSyncBytes(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 4, 1)
	disk, s := newCrashStore(t, a, blockstore.Options{SyncBytes: 30})
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	var written, synced uint64
	for _, b := range a.Shards {
		must(t, w.WriteShard(b))
		if written += uint64(len(b.Data)); written-synced >= 30 {
			synced = written
		}
		back, err := blockstore.OpenOn(disk.After(rand.New(rand.NewPCG(0, 0)), 0), crashDir, blockstore.Options{})
		must(t, err)
		if got := back.Stat().ArtifactBytes; got != synced {
			t.Fatalf("after %d bytes: %d survive a crash, want %d", written, got, synced)
		}
	}
	must(t, w.Commit())
	must(t, blockstoretest.Complete(s, a))
}

// TestLoseRepeated spoils one of several places of the same bytes.
func TestLoseRepeated(t *testing.T) {
	l := blockstore.Layout{Tensors: []blockstore.Tensor{{Name: "x", DType: blockstore.F32, Shape: []uint64{50}}}}
	a := blockstoretest.Cut(l, 8, make([]byte, l.Bytes()))
	disk, s := newCrashStore(t, a, blockstore.Options{})
	c, err := s.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8})
	must(t, err)
	for _, name := range disk.Names(crashDir + "/artifacts") {
		data := disk.Data(name)
		data[len(data)-len(a.Data)+70] = 1 // in shard 2
		disk.Set(name, data)
	}
	if found := scrub(t, s); len(found) != 1 || found[0].Shard != 2 {
		t.Fatalf("found %v", found)
	}
	if i := s.Artifacts(); i[0].State != blockstore.Partial || i[0].Held != len(a.Shards)-1 {
		t.Fatalf("%+v", i)
	}
	got, err := s.Get(a.Shards[2].CID)
	if err != nil || !bytes.Equal(got, a.Shards[2].Data) {
		t.Fatalf("the same bytes elsewhere: %x, %v", got, err)
	}
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	if missing := w.Missing(); len(missing) > 0 {
		t.Errorf("missing %v; they lie elsewhere in it", missing)
	}
	must(t, w.Commit())
	must(t, blockstoretest.Complete(s, a))
	if c != a.CID {
		t.Errorf("imported %s", c)
	}
}

// TestDamagedKept fails Create of a damaged artifact: the file is not to be lost.
func TestDamagedKept(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	disk, s := newCrashStore(t, a, blockstore.Options{})
	_, err := s.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8})
	must(t, err)
	must(t, s.Close())
	for _, name := range disk.Names(crashDir + "/blocks") {
		must(t, disk.Remove(name))
	}
	s, err = blockstore.OpenOn(disk, crashDir, blockstore.Options{})
	must(t, err)
	disk.Fail = func(_ int, op, _ string) error {
		if op == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	if _, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{}); !errors.Is(err, blockstore.ErrFull) {
		t.Fatalf("on a full disk: %v", err)
	}
	if i := s.Artifacts(); len(i) != 1 || i[0].State != blockstore.Damaged {
		t.Fatalf("%+v", i)
	}
	disk.Fail = nil
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	if missing := w.Missing(); len(missing) > 0 {
		t.Errorf("missing %d", len(missing))
	}
	must(t, w.Commit())
	must(t, blockstoretest.Complete(s, a))
}

func TestArtifactData(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	s := blockstore.NewMemory(blockstore.Options{})
	a.Store(t, s)
	o, err := s.Open(a.CID)
	must(t, err)
	defer o.Close()
	if data, err := io.ReadAll(o.Data()); err != nil || !bytes.Equal(data, a.Data) {
		t.Errorf("%x, %v", data, err)
	}
	if st := s.Stat(); st.Blocks != 2 || !s.Has(block.Of(a.Manifest).CID) {
		t.Errorf("%+v", st)
	}
}
