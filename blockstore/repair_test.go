package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
	"github.com/weft-mesh/weft/tensor"
)

// spoil changes a file of a store, read-only or not.
func spoil(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	data := change(read(t, path))
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, data, 0o600))
}

// flip returns a change of one bit of the given bytes, which the file has once.
func flip(t testing.TB, part []byte) func([]byte) []byte {
	return func(data []byte) []byte {
		if bytes.Count(data, part) != 1 {
			t.Fatalf("%x is not once in the file", part)
		}
		data[bytes.Index(data, part)+len(part)/2] ^= 8
		return data
	}
}

// scrub returns what Scrub finds, all of it naming a mismatch.
func scrub(t testing.TB, s blockstore.Store) []*blockstore.CorruptError {
	t.Helper()
	var found []*blockstore.CorruptError
	must(t, s.Scrub(t.Context(), func(err error) {
		var c *blockstore.CorruptError
		if !errors.As(err, &c) {
			t.Errorf("scrub reports %v", err)
			return
		}
		found = append(found, c)
	}))
	return found
}

func TestScrubShard(t *testing.T) {
	for _, kind := range []string{"complete", "partial", "writing"} {
		dir := t.TempDir()
		a := blockstoretest.NewArtifact(mixed, 8, 1)
		s := openQuick(t, dir)
		w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
		must(t, err)
		upTo := len(a.Shards) - 1
		for _, b := range a.Shards[:upTo] {
			must(t, w.WriteShard(b))
		}
		where := "partial"
		switch kind {
		case "complete":
			must(t, w.WriteShard(a.Shards[upTo]))
			must(t, w.Commit())
			where = "artifacts"
		case "partial":
			must(t, w.Close())
		case "writing":
			must(t, w.Sync())
		}
		file := filepath.Join(where, a.CID.String()+".safetensors")
		path := filepath.Join(dir, file)
		for _, i := range []int{1, 3} {
			spoil(t, path, flip(t, a.Shards[i].Data))
		}
		found := scrub(t, s)
		if len(found) != 2 || found[0].Shard != 1 || found[1].Shard != 3 || found[0].Manifest != a.CID || found[0].Block != a.Shards[1].CID || found[0].File != file || !errors.Is(found[0], block.ErrMismatch) {
			t.Fatalf("%s: found %v", kind, found)
		}
		if again := scrub(t, s); len(again) > 0 {
			t.Errorf("%s: found again %v", kind, again)
		}
		for i, b := range a.Shards {
			if s.Has(b.CID) != (i != 1 && i != 3 && (i < upTo || kind == "complete")) {
				t.Errorf("%s: shard %d held %t", kind, i, s.Has(b.CID))
			}
		}
		if kind != "writing" { // what was found outlasts the store, too
			must(t, s.Close())
			s = openQuick(t, dir)
			w, err = s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
			must(t, err)
		}
		missing := []block.CID{a.Shards[1].CID, a.Shards[3].CID}
		if kind != "complete" {
			missing = append(missing, a.Shards[upTo].CID)
		}
		if got := w.Missing(); !slices.Equal(got, missing) {
			t.Fatalf("%s: missing %d, want %d", kind, len(got), len(missing))
		}
		for _, i := range []int{1, 3, upTo} {
			must(t, w.WriteShard(a.Shards[i]))
		}
		must(t, w.Commit())
		must(t, blockstoretest.Complete(s, a))
		if _, err := s.Path(a.CID); err != nil {
			t.Error(err)
		}
		must(t, s.Close())
		must(t, blockstoretest.Complete(openQuick(t, dir), a))
	}
}

// Check takes out what went bad, so that what is left is what it has verified.
func TestCheckFindsCorruption(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	s := openQuick(t, t.TempDir())
	a.Store(t, s)
	path, err := s.Path(a.CID)
	must(t, err)
	for _, i := range []int{1, 3} {
		spoil(t, path, flip(t, a.Shards[i].Data))
	}
	var bad *blockstore.CorruptError
	if err := s.Check(t.Context(), a.CID); !errors.As(err, &bad) || bad.Shard != 1 || !errors.Is(err, block.ErrMismatch) {
		t.Fatalf("got %v", err)
	}
	for i, b := range a.Shards {
		if s.Has(b.CID) != (i != 1 && i != 3) {
			t.Errorf("shard %d held %t", i, s.Has(b.CID))
		}
	}
	if err := s.Check(t.Context(), a.CID); !errors.Is(err, blockstore.ErrIncomplete) {
		t.Errorf("again: %v", err)
	}
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	for _, i := range []int{1, 3} {
		must(t, w.WriteShard(a.Shards[i]))
	}
	must(t, w.Commit())
	path, err = s.Path(a.CID)
	must(t, err)
	spoil(t, path, func(data []byte) []byte { data[20] ^= 1; return data })
	if err := s.Check(t.Context(), a.CID); !errors.As(err, &bad) || bad.Shard != -1 {
		t.Errorf("a bad header: %v", err)
	}
	must(t, s.Check(t.Context(), a.CID)) // it was repaired
}

// hooked is a context that does something when it is first asked whether it has ended.
type hooked struct {
	context.Context
	once sync.Once
	hook func()
}

func (c *hooked) Err() error {
	c.once.Do(c.hook)
	return c.Context.Err()
}

// Check says that an artifact is whole only of one that it has read from end to end.
func TestCheckWhileOthersChange(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, s blockstore.Store, c block.CID){
		"checked by another": func(t *testing.T, s blockstore.Store, c block.CID) {
			if err := s.Check(t.Context(), c); !errors.As(err, new(*blockstore.CorruptError)) {
				t.Errorf("the other: %v", err)
			}
		},
		"deleted": func(t *testing.T, s blockstore.Store, c block.CID) { must(t, s.DeleteArtifact(c)) },
	} {
		a := blockstoretest.NewArtifact(mixed, 8, 1)
		s := openQuick(t, t.TempDir())
		a.Store(t, s)
		path, err := s.Path(a.CID)
		must(t, err)
		spoil(t, path, flip(t, a.Shards[1].Data))
		ctx := &hooked{Context: t.Context(), hook: func() { meanwhile(t, s, a.CID) }}
		if err := s.Check(ctx, a.CID); !errors.Is(err, blockstore.ErrNotFound) && !errors.Is(err, blockstore.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGetFindsCorruption(t *testing.T) {
	dir := t.TempDir()
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	s := openQuick(t, dir)
	a.Store(t, s)
	must(t, s.Put(a.Shards[2])) // another copy
	path, err := s.Path(a.CID)
	must(t, err)
	spoil(t, path, flip(t, a.Shards[1].Data))
	spoil(t, filepath.Join(dir, block0(a.Shards[2].CID)), flip(t, a.Shards[2].Data))

	if got, err := s.Get(a.Shards[2].CID); err != nil || !bytes.Equal(got, a.Shards[2].Data) {
		t.Errorf("one of two copies is good: %x, %v", got, err)
	}
	if err := s.Export(a.CID, &bytes.Buffer{}); !errors.Is(err, block.ErrMismatch) {
		t.Errorf("export: %v", err)
	}
	var c *blockstore.CorruptError
	if _, err := s.Get(a.Shards[1].CID); !errors.As(err, &c) || c.Shard != 1 || c.Manifest != a.CID {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Get(a.Shards[1].CID); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("Get again: %v", err)
	}
	if _, err := s.Open(a.CID); !errors.Is(err, blockstore.ErrIncomplete) {
		t.Errorf("Open: %v", err)
	}
	a.Store(t, s)
	must(t, blockstoretest.Complete(s, a))
}

func TestScrubBlocks(t *testing.T) {
	dir := t.TempDir()
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	entry := block.Of("entry")
	s := openQuick(t, dir)
	a.Store(t, s)
	must(t, s.Put(entry))
	for _, b := range []block.Block{entry, a.Manifest.Block(), a.Layout.Block()} {
		spoil(t, filepath.Join(dir, block0(b.CID)), flip(t, b.Data))
	}
	if found := scrub(t, s); len(found) != 3 || found[0].Shard != -1 || found[0].File != block0(found[0].Block) {
		t.Fatalf("found %v", found)
	}
	if s.Has(entry.CID) {
		t.Error("the entry is still held")
	}
	must(t, blockstoretest.Complete(s, a)) // the store knows its manifest and layout
	must(t, s.Put(entry))
	must(t, os.Remove(filepath.Join(dir, block0(entry.CID))))
	if _, err := s.Get(entry.CID); !errors.As(err, new(*blockstore.CorruptError)) || s.Has(entry.CID) {
		t.Errorf("a file that vanished: %v", err)
	}
	must(t, s.Put(entry))
	if len(scrub(t, s)) > 0 {
		t.Error("found more")
	}
}

func TestHeader(t *testing.T) {
	a, b := blockstoretest.NewArtifact(mixed, 8, 1), blockstoretest.NewArtifact(mixed, 8, 2)
	s := openQuick(t, t.TempDir())
	a.Store(t, s)
	_, err := s.Import(t.Context(), b.File(t, nil), blockstore.ImportOptions{ShardElements: 8}) // another writer's header
	must(t, err)
	for _, x := range []blockstoretest.Artifact{a, b} {
		path, err := s.Path(x.CID)
		must(t, err)
		for name, change := range map[string]func([]byte) []byte{
			"length": func(d []byte) []byte { d[2] ^= 1; return d },
			"brace":  func(d []byte) []byte { d[8] = 'x'; return d },
			"shape":  func(d []byte) []byte { return bytes.Replace(d, []byte(`[3,5]`), []byte(`[5,3]`), 1) },
			"name":   func(d []byte) []byte { return bytes.Replace(d, []byte(`a.bias`), []byte(`a.bios`), 1) },
		} {
			good := read(t, path)
			spoil(t, path, change)
			if bytes.Equal(read(t, path), good) {
				t.Fatalf("%s: nothing spoilt", name)
			}
			if found := scrub(t, s); len(found) != 1 || found[0].Shard != -1 || !strings.Contains(found[0].Error(), "header") {
				t.Errorf("%s: found %v", name, found)
			}
			spoil(t, path, change)
			_, err = s.Path(x.CID) // repairs it too
			must(t, err)
			f, err := os.Open(path)
			must(t, err)
			h, err := tensor.ReadHeader(f, int64(len(good)))
			must(t, err)
			must(t, f.Close())
			if l, err := h.Layout(); err != nil || l.Block().CID != x.Manifest.Layout || len(read(t, path)) != len(good) {
				t.Errorf("%s: repaired to %+v, %v", name, h, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
				t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
			}
			must(t, blockstoretest.Complete(s, x))
		}
	}
}

func TestVanishedArtifact(t *testing.T) {
	s := openQuick(t, t.TempDir())
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	for _, again := range []func(){
		func() { a.Store(t, s) },
		func() { must(t, s.DeleteArtifact(a.CID)); a.Store(t, s) },
		func() {
			_, err := s.Import(t.Context(), a.File(t, nil), blockstore.ImportOptions{ShardElements: 8})
			must(t, err)
		},
	} {
		a.Store(t, s)
		path, err := s.Path(a.CID)
		must(t, err)
		must(t, os.Remove(path))
		if found := scrub(t, s); len(found) != len(a.Shards) {
			t.Errorf("found %v", found)
		}
		if _, err := s.Open(a.CID); !errors.Is(err, blockstore.ErrIncomplete) || s.Has(a.Shards[0].CID) {
			t.Errorf("open: %v", err)
		}
		again()
		must(t, blockstoretest.Complete(s, a))
		must(t, s.DeleteArtifact(a.CID))
		if st := s.Stat(); st != (blockstore.Stat{}) {
			t.Errorf("stat %+v", st)
		}
	}
}

func TestDamaged(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 4, 1)
	file := filepath.Join("artifacts", a.CID.String()+".safetensors")
	half := len(a.Data) / 2
	beyond := 0 // shards not whole in the first half
	for i := range a.Shards {
		if s, err := mixed.Shard(i, 4); err != nil || s.Offset+uint64(s.Bytes) > uint64(len(a.Data)-half) {
			beyond++
		}
	}
	for name, c := range map[string]struct {
		path   string
		change func([]byte) []byte // nil removes it
		lost   int                 // shards
	}{
		"no manifest":   {block0(a.CID), nil, 0},
		"bad manifest":  {block0(a.CID), flip(t, a.Manifest.Block().Data), 0},
		"no layout":     {block0(a.Manifest.Layout), nil, 0},
		"cut short":     {file, func(d []byte) []byte { return d[:len(d)-1] }, 1},
		"cut to half":   {file, func(d []byte) []byte { return d[:len(d)-half] }, beyond},
		"grown":         {file, func(d []byte) []byte { return append(d, 1) }, 0},
		"no header":     {file, func([]byte) []byte { return nil }, len(a.Shards)},
		"length beyond": {file, func(d []byte) []byte { d[7] = 1; return d }, len(a.Shards)},
		"short header":  {file, func(d []byte) []byte { d[0], d[1] = 8, 0; return d }, len(a.Shards)},
	} {
		dir := t.TempDir()
		s := openQuick(t, dir)
		a.Store(t, s)
		must(t, s.Close())
		if path := filepath.Join(dir, c.path); c.change == nil {
			must(t, os.Remove(path))
		} else {
			spoil(t, path, c.change)
		}
		s = openQuick(t, dir)
		if i := s.Artifacts(); len(i) != 1 || i[0].State != blockstore.Damaged {
			t.Fatalf("%s: %+v", name, i)
		}
		if _, err := s.Open(a.CID); !errors.Is(err, blockstore.ErrIncomplete) {
			t.Errorf("%s: open: %v", name, err)
		}
		for range 2 { // what was saved outlasts a restart
			w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: true})
			must(t, err)
			if missing := w.Missing(); len(missing) != c.lost {
				t.Errorf("%s: missing %d of %d, want %d", name, len(missing), len(a.Shards), c.lost)
			}
			must(t, s.Close())
			s = openQuick(t, dir)
		}
		a.Store(t, s)
		must(t, blockstoretest.Complete(s, a))
		must(t, s.Close())
		s = openQuick(t, dir)
		must(t, blockstoretest.Complete(s, a))
		if len(scrub(t, s)) > 0 {
			t.Errorf("%s: not whole", name)
		}
	}
}

func TestDamagedDelete(t *testing.T) {
	dir := t.TempDir()
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	s := openQuick(t, dir)
	a.Store(t, s)
	must(t, s.Close())
	must(t, os.Remove(filepath.Join(dir, block0(a.CID))))
	s = openQuick(t, dir)
	must(t, s.DeleteArtifact(a.CID))
	if left := files(t, dir); !slices.Equal(left, []string{block0(a.Manifest.Layout)}) {
		t.Errorf("left %q; the layout is just a block, as nobody knew it was this artifact's", left)
	}
}

func TestScrubStops(t *testing.T) {
	s, err := blockstore.OpenQuick(t.TempDir(), blockstore.Options{ScrubBytesPerSecond: 1})
	must(t, err)
	defer s.Close()
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	a.Store(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Scrub(ctx, func(err error) { t.Error(err) }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at a byte a second: %v", err)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Import(cancelled, a.File(t, nil), blockstore.ImportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("import: %v", err)
	}
}
