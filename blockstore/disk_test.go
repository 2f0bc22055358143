package blockstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

var mixed = blockstoretest.Mixed

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

// safetensors returns the artifact as a trainer might write it.
func safetensors(t testing.TB, a blockstoretest.Artifact, order []int) []byte {
	t.Helper()
	return read(t, a.File(t, order))
}

// files lists the files below a directory, without the lock.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" && d.Name() != "format" {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	}))
	return names
}

// TestReopen uses the disk for real, fsync and all.
func TestReopen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "for", "it")
	whole, part := blockstoretest.NewArtifact(mixed, 8, 1), blockstoretest.NewArtifact(mixed, 8, 2)
	var before blockstore.Stat
	var infos []blockstore.Info
	for turn := range 3 {
		s, err := blockstore.OpenDisk(dir, blockstore.Options{})
		must(t, err)
		if turn == 0 {
			whole.Store(t, s)
			w, err := s.Create(part.Manifest.Block(), part.Layout.Block(), blockstore.WriteOptions{})
			must(t, err)
			must(t, w.WriteShard(part.Shards[0])) // Close of the store keeps it
			must(t, s.Put(block.Of("entry")))
			before, infos = s.Stat(), s.Artifacts()
		}
		must(t, blockstoretest.Complete(s, whole))
		for _, b := range []block.Block{part.Shards[0], part.Layout.Block(), part.Manifest.Block(), block.Of("entry")} {
			if got, err := s.Get(b.CID); err != nil || !bytes.Equal(got, b.Data) {
				t.Errorf("turn %d: %x, %v", turn, got, err)
			}
		}
		if st := s.Stat(); st != before || !slices.Equal(s.Artifacts(), infos) {
			t.Errorf("turn %d: %+v, want %+v", turn, st, before)
		}
		must(t, s.Close())
	}
}

func TestPath(t *testing.T) {
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	dir := t.TempDir()
	s := openQuick(t, dir)
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	must(t, w.WriteShard(a.Shards[0]))
	if _, err := s.Path(a.CID); !errors.Is(err, blockstore.ErrIncomplete) {
		t.Errorf("path of a partial artifact: %v", err)
	}
	must(t, w.Abort())
	if _, err := s.Path(a.CID); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("path of none: %v", err)
	}
	a.Store(t, s)
	path, err := s.Path(a.CID)
	must(t, err)
	if got := read(t, path); !filepath.IsAbs(path) || !bytes.Equal(got, append(a.Layout.SafetensorsHeader(), a.Data...)) {
		t.Errorf("%s is not the safetensors file", path)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("mode %v, %v; want read-only", info.Mode(), err)
	}
	want := []string{
		filepath.Join("artifacts", a.CID.String()+".safetensors"),
		block0(a.CID), block0(a.Manifest.Layout),
	}
	slices.Sort(want)
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want the weights once: %q", got, want)
	}
}

// block0 returns where a block lies.
func block0(c block.CID) string {
	d := c.Digest()
	return filepath.Join("blocks", strconv.FormatUint(uint64(d[0])|0x100, 16)[1:], c.String())
}

func TestTakeOver(t *testing.T) {
	s := openQuick(t, t.TempDir())
	for seed, c := range map[uint64]struct {
		spoil func(path string) // makes the file one that is not to be taken
		order []int
		taken bool
	}{
		1: {taken: true},
		2: {order: []int{0, 1, 3, 2, 4, 5}, taken: true},
		3: {order: []int{5, 4, 3, 2, 1, 0}},
		4: {spoil: func(path string) { must(t, os.Link(path, path+".link")) }},
		5: {spoil: func(path string) {
			must(t, os.Rename(path, path+".target"))
			must(t, os.Symlink(path+".target", path))
		}},
		6: {spoil: func(path string) { // a header that leaves the data unaligned
			data := read(t, path)
			n := int(data[0]) | int(data[1])<<8
			data[0]++ // the test's headers are far from a carry here, or the next line tells
			must(t, os.WriteFile(path, slices.Insert(data, 8+n, ' '), 0o600))
		}},
	} {
		a := blockstoretest.NewArtifact(mixed, 8, seed)
		path := a.File(t, c.order)
		if c.spoil != nil {
			c.spoil(path)
		}
		before := read(t, path)
		info, err := os.Stat(path)
		must(t, err)
		got, err := s.Import(t.Context(), path, blockstore.ImportOptions{ShardElements: 8})
		if err != nil || got != a.CID {
			t.Fatalf("file %d: imported %s, %v", seed, got, err)
		}
		must(t, blockstoretest.Complete(s, a))
		stored, err := s.Path(a.CID)
		must(t, err)
		now, err := os.Stat(stored)
		must(t, err)
		if os.SameFile(info, now) != c.taken {
			t.Errorf("file %d: taken %t", seed, !c.taken)
		}
		if c.taken {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) || !bytes.Equal(read(t, stored), before) || now.Mode().Perm() != 0o400 {
				t.Errorf("file %d: at its old place %v, mode %v", seed, err, now.Mode())
			}
		} else if !bytes.Equal(read(t, path), before) || !bytes.Equal(read(t, stored), append(a.Layout.SafetensorsHeader(), a.Data...)) {
			t.Errorf("file %d was changed", seed)
		}
	}
	must(t, s.Scrub(t.Context(), func(err error) { t.Error(err) }))
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s, err := blockstore.OpenQuick(dir, blockstore.Options{})
	must(t, err)
	_, err = blockstore.OpenDisk(dir, blockstore.Options{})
	if !errors.Is(err, blockstore.ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("opened twice: %v", err)
	}
	must(t, s.Close())
	must(t, openQuick(t, dir).Close())
}

func TestOpenRefuses(t *testing.T) {
	home := t.TempDir()
	must(t, os.Mkdir(filepath.Join(home, "tmp"), 0o700))
	precious := filepath.Join(home, "tmp", "thesis.tex")
	must(t, os.WriteFile(precious, []byte("years of work"), 0o600))
	newer := t.TempDir()
	must(t, os.WriteFile(filepath.Join(newer, "format"), []byte("weft blockstore 2\n"), 0o600))
	file := filepath.Join(home, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for dir, want := range map[string]error{home: blockstore.ErrFormat, newer: blockstore.ErrFormat, file: nil} {
		s, err := blockstore.OpenDisk(dir, blockstore.Options{})
		if err == nil {
			must(t, s.Close())
		}
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if string(read(t, precious)) != "years of work" {
		t.Error("it is gone")
	}
}

func TestOpenIgnoresStrangers(t *testing.T) {
	dir := t.TempDir()
	a := blockstoretest.NewArtifact(mixed, 8, 1)
	s := openQuick(t, dir)
	a.Store(t, s)
	must(t, s.Close())
	for _, name := range []string{
		".DS_Store", "blocks/.DS_Store", filepath.Dir(block0(a.CID)) + "/.DS_Store", filepath.Dir(block0(a.CID)) + "/" + block.Of(1).CID.String(),
		"artifacts/.DS_Store", "artifacts/notes.safetensors", "partial/x.held",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	must(t, os.MkdirAll(filepath.Join(dir, "blocks", "lost+found"), 0o700))
	s = openQuick(t, dir)
	must(t, blockstoretest.Complete(s, a))
	if st := s.Stat(); st.Blocks != 2 || st.Artifacts != 1 || st.Partials != 0 {
		t.Errorf("stat %+v", st)
	}
	must(t, s.Scrub(t.Context(), func(err error) { t.Error(err) }))
}

// TestAfterCrash leaves in the directory what crashes leave.
func TestAfterCrash(t *testing.T) {
	dir := t.TempDir()
	a, b := blockstoretest.NewArtifact(mixed, 8, 1), blockstoretest.NewArtifact(mixed, 8, 2)
	s := openQuick(t, dir)
	a.Store(t, s)
	w, err := s.Create(b.Manifest.Block(), b.Layout.Block(), blockstore.WriteOptions{})
	must(t, err)
	must(t, w.WriteShard(b.Shards[0]))
	must(t, s.Close())
	partial := filepath.Join(dir, "partial", b.CID.String())
	record := read(t, partial+".held")
	for name, data := range map[string][]byte{
		"cut":        record[:len(record)-1],
		"bit":        append([]byte{record[0] ^ 1}, record[1:]...),
		"of another": nil,
		"empty":      {},
	} {
		if name == "of another" {
			must(t, os.Remove(partial+".held"))
		} else {
			must(t, os.WriteFile(partial+".held", data, 0o600))
		}
		keep := read(t, partial+".safetensors")
		must(t, os.WriteFile(filepath.Join(dir, "tmp", "17"), []byte("half a file"), 0o600))
		s := openQuick(t, dir)
		if s.Has(b.Shards[0].CID) || len(s.Artifacts()) != 1 {
			t.Errorf("record %s: believed", name)
		}
		must(t, blockstoretest.Complete(s, a))
		must(t, s.Close())
		left := files(t, dir)
		if slices.ContainsFunc(left, func(f string) bool { return strings.HasPrefix(f, "tmp") || strings.HasPrefix(f, "partial") }) {
			t.Errorf("record %s: left %q", name, left)
		}
		must(t, os.WriteFile(partial+".safetensors", keep, 0o600))
		must(t, os.WriteFile(partial+".held", record, 0o600))
	}
	s = openQuick(t, dir)
	if !s.Has(b.Shards[0].CID) || len(s.Artifacts()) != 2 {
		t.Error("the right record was not believed")
	}
	all := maps.Collect(s.All())
	if len(all) != 3 {
		t.Errorf("%d blocks, want two manifests and a layout", len(all))
	}
}
