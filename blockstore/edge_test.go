package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/tensor"
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
	for _, change := range []func(*blockstore.CrashFS, string){(*blockstore.CrashFS).Grow, (*blockstore.CrashFS).Touch} {
		for _, keep := range []bool{false, true} {
			disk, s := newCrashStore(t, a, blockstore.Options{})
			changed := false
			disk.Fail = func(_ int, op, name string) error {
				if !changed && (op == "sync" || op == "write") { // after the header was read
					changed = true
					change(disk, update)
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
	change := func(i int, f func(*tensor.Tensor)) tensor.Layout {
		l := tensor.Layout{Tensors: slices.Clone(mixed.Tensors)}
		f(&l.Tensors[i])
		return l
	}
	last := len(mixed.Tensors) - 1
	for hint, l := range map[string]tensor.Layout{
		`tensor "a.bias" is F16, not F32`:        change(0, func(x *tensor.Tensor) { x.DType = tensor.F32 }),
		`tensor "b" has shape [2 1 7], not [14]`: change(2, func(x *tensor.Tensor) { x.Shape = []uint64{14} }),
		`tensor "a.weigh" is missing`:            change(1, func(x *tensor.Tensor) { x.Name = "a.weigh" }),
		`tensor "scale" is not in it`:            change(4, func(x *tensor.Tensor) { x.Name = "scale2" }),
		`tensor "ünïz" is missing`:               {Tensors: append(slices.Clone(mixed.Tensors), tensor.Tensor{Name: "ünïz", DType: tensor.F32})},
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

// spoilShard changes a shard in an artifact's file, complete or not.
func spoilShard(t *testing.T, disk *blockstore.CrashFS, a blockstoretest.Artifact, i int) {
	t.Helper()
	shard, err := a.Layout.Shard(i, a.Manifest.ShardElements)
	must(t, err)
	for _, name := range disk.Names(crashDir) {
		if strings.HasSuffix(name, a.CID.String()+".safetensors") {
			data := disk.Data(name)
			data[len(data)-len(a.Data)+int(shard.Offset)] ^= 1
			disk.Spoil(name, data)
			return
		}
	}
	t.Fatal("no file to spoil")
}

// TestLoseRepeated spoils one of several places of the same bytes.
func TestLoseRepeated(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "x", DType: tensor.F32, Shape: []uint64{50}}}}
	a := blockstoretest.Cut(l, 8, make([]byte, l.Bytes()))
	for _, complete := range []bool{true, false} {
		disk, s := newCrashStore(t, a, blockstore.Options{})
		w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
		must(t, err)
		must(t, w.WriteShard(a.Shards[0]))
		must(t, w.WriteShard(a.Shards[len(a.Shards)-1]))
		if must(t, w.Close()); complete {
			a.Store(t, s)
		}
		spoilShard(t, disk, a, 0) // where the index says the bytes are
		if found := scrub(t, s); len(found) != 1 || found[0].Shard != 0 {
			t.Fatalf("complete %t: found %v", complete, found)
		}
		if i := s.Artifacts(); i[0].State != blockstore.Partial || i[0].Held != len(a.Shards)-1 {
			t.Fatalf("complete %t: %+v", complete, i)
		}
		if got, err := s.Get(a.Shards[0].CID); err != nil || !bytes.Equal(got, a.Shards[0].Data) {
			t.Fatalf("complete %t: the same bytes elsewhere: %x, %v", complete, got, err)
		}
		w, err = s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
		must(t, err)
		if missing := w.Missing(); len(missing) > 0 {
			t.Errorf("complete %t: missing %v; they lie elsewhere in it", complete, missing)
		}
		must(t, w.Commit())
		must(t, blockstoretest.Complete(s, a))
	}
}

// TestLoseWhileWriting finds a bad shard under a Writer, and then cuts the power: what is
// written in its stead counts after the next Sync, and what was not synced does not.
func TestLoseWhileWriting(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	disk, s := newCrashStore(t, a, blockstore.Options{})
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	must(t, w.WriteShard(a.Shards[0]))
	must(t, w.WriteShard(a.Shards[1]))
	must(t, w.Sync())
	must(t, w.WriteShard(a.Shards[2]))
	spoilShard(t, disk, a, 0)
	if found := scrub(t, s); len(found) != 1 || found[0].Shard != 0 {
		t.Fatalf("found %v", found)
	}
	held := func() string {
		back, err := blockstore.OpenOn(disk.After(rand.New(rand.NewPCG(0, 0)), 0), crashDir, blockstore.Options{})
		must(t, err)
		var is []int
		for i, b := range a.Shards {
			if back.Has(b.CID) {
				if _, err := back.Get(b.CID); err != nil {
					t.Errorf("shard %d: %v", i, err)
				}
				is = append(is, i)
			}
		}
		return fmt.Sprint(is)
	}
	if got := held(); got != "[1]" {
		t.Errorf("after the scrub %s survive a crash, want [1]", got)
	}
	for range 2 {
		must(t, w.WriteShard(a.Shards[0]))
		must(t, w.Sync())
		if got := held(); got != "[0 1 2]" {
			t.Errorf("after Sync %s survive a crash, want [0 1 2]", got)
		}
		spoilShard(t, disk, a, 0)
		if found := scrub(t, s); len(found) != 1 {
			t.Fatalf("found %v", found)
		}
	}
	must(t, w.Abort())
}

// TestOvertakenThenBad has Import replace what a Writer writes to, and a shard of that go bad.
func TestOvertakenThenBad(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	disk, s := newCrashStore(t, a, blockstore.Options{})
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	must(t, w.WriteShard(a.Shards[0]))
	_, err = s.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8})
	must(t, err)
	spoilShard(t, disk, a, 1)
	if found := scrub(t, s); len(found) != 1 {
		t.Fatalf("found %v", found)
	}
	must(t, w.WriteShard(a.Shards[1])) // to a file that is nobody's
	must(t, w.Commit())
	if s.Has(a.Shards[1].CID) {
		t.Error("the shard is where it was not written")
	}
	again, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	if missing := again.Missing(); !slices.Equal(missing, a.Manifest.Shards[1:2]) {
		t.Errorf("missing %v", missing)
	}
	must(t, again.WriteShard(a.Shards[1]))
	must(t, again.Commit())
	must(t, blockstoretest.Complete(s, a))
}

// TestOvertakingFails has Import fail on an artifact that is being written: the Writer goes on.
func TestOvertakingFails(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	disk, s := newCrashStore(t, a, blockstore.Options{})
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	must(t, w.WriteShard(a.Shards[0]))
	disk.Fail = func(_ int, op, _ string) error {
		if op == "rename" {
			return syscall.EIO
		}
		return nil
	}
	if _, err := s.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8}); !errors.Is(err, syscall.EIO) {
		t.Fatalf("import: %v", err)
	}
	disk.Fail = nil
	if _, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{}); !errors.Is(err, blockstore.ErrBusy) {
		t.Errorf("create: %v", err)
	}
	for _, b := range a.Shards {
		must(t, w.WriteShard(b))
	}
	must(t, w.Commit())
	must(t, blockstoretest.Complete(s, a))
	if disk.Data(update) == nil {
		t.Error("the file is gone")
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
