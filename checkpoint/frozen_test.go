package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// makeFolder writes files into a new folder, all of them an hour old.
func makeFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, old, old)); err != nil {
		t.Fatal(err)
	}
}

func digest(t *testing.T, dir string, cache *Digests) ledger.Frozen {
	t.Helper()
	h, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := h.Run(t.Context(), cache)
	if err != nil || h.Done.Load() != h.Total {
		t.Fatalf("%d of %d bytes: %v", h.Done.Load(), h.Total, err)
	}
	return files
}

// TestFolder: a folder is known by the bytes of its files, in subfolders and behind links too, and by nothing that is no part of
// the model.
func TestFrozenFolder(t *testing.T) {
	model := strings.Repeat("weights", 1<<18)
	dir := makeFolder(t, map[string]string{
		"config.json": "{}", "model.safetensors": model, "sub/tokenizer.json": "[]", "README.md": "x", "notes.MD": "x", ".gitattributes": "x", ".cache/huggingface/lock": "x",
	})
	blob := filepath.Join(makeFolder(t, map[string]string{"blob": "linked"}), "blob")
	if err := os.Symlink(blob, filepath.Join(dir, "merges.txt")); err != nil {
		t.Fatal(err)
	}
	files := digest(t, dir, nil)
	want := []string{"config.json", "merges.txt", "model.safetensors", "sub/tokenizer.json"}
	if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	if files["model.safetensors"] != block.Sum(block.Raw, []byte(model)) || files["merges.txt"] != block.Sum(block.Raw, []byte("linked")) {
		t.Error("a file's CID is not that of its bytes")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if digest(t, link, nil).Differs(files) != "" {
		t.Error("the folder is another behind a link")
	}
}

// TestDigests: the cache spares reading files that have not changed, and no others; a broken one is an empty one.
func TestDigests(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", home)
	dir := makeFolder(t, map[string]string{"config.json": "{}", "model.safetensors": "1234"})
	cache := OpenDigests()
	first := digest(t, dir, cache)
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
	again := OpenDigests()
	if len(again.files) != 2 || digest(t, dir, again).Differs(first) != "" || again.dirty {
		t.Errorf("%d files are kept, changed: %v", len(again.files), again.dirty)
	}
	path := filepath.Join(dir, "model.safetensors")
	for _, change := range []func(){
		func() { put(t, path, "12345") }, // another size
		func() { put(t, path, "4321"); _ = os.Chtimes(path, time.Now(), time.Now().Add(-time.Minute)) }, // another time
		func() { _ = os.Remove(path); put(t, path+".new", "9876"); _ = os.Rename(path+".new", path) },   // another file
	} {
		before := digest(t, dir, again)
		change()
		if got := digest(t, dir, again); got.Differs(before) != "model.safetensors" {
			t.Errorf("after a change %q differs", got.Differs(before))
		}
	}
	fresh := makeFolder(t, nil)
	if err := os.WriteFile(filepath.Join(fresh, "config.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := len(again.files); digest(t, fresh, again) == nil || len(again.files) != n {
		t.Error("the digest of a file is kept that was written just now")
	}
	if err := os.WriteFile(again.path, []byte("{broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if broken := OpenDigests(); len(broken.files) != 0 {
		t.Errorf("a broken cache has %d files", len(broken.files))
	}
}

// TestNoFolder: what is no folder of a model is refused, by name.
func TestNoFolder(t *testing.T) {
	many := map[string]string{}
	for i := range ledger.MaxFrozen + 1 {
		many[fmt.Sprint("n", i)] = "x"
	}
	file := filepath.Join(makeFolder(t, map[string]string{"model.safetensors": "x"}), "model.safetensors")
	hanging := makeFolder(t, map[string]string{"config.json": "{}"})
	if err := os.Symlink("nowhere", filepath.Join(hanging, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	for want, dir := range map[string]string{
		"it has no files":        t.TempDir(),
		"more than 256 files":    makeFolder(t, many),
		"it is a file":           file,
		"no such file":           filepath.Join(t.TempDir(), "gone"),
		"model.safetensors: no ": hanging,
	} {
		if _, err := Look(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
