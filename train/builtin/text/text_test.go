package text

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	want := []byte("plain text")
	plain, packed, bad := filepath.Join(dir, "a.txt"), filepath.Join(dir, "a.txt.gz"), filepath.Join(dir, "b.gz")
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(want)
	w.Close()
	for path, data := range map[string][]byte{plain: want, packed: b.Bytes(), bad: b.Bytes()[:b.Len()-6]} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{plain, packed} {
		if got, err := Read(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{bad, filepath.Join(dir, "none")} {
		if got, err := Read(path); err == nil {
			t.Errorf("%s: read as %q", path, got)
		}
	}
}

func TestSampler(t *testing.T) {
	text := []byte("abcdefghij")
	a, b, c := NewSampler(text, 4, 1), NewSampler(text, 4, 1), NewSampler(text, 4, 2)
	seen, differ := map[string]bool{}, false
	for range 60 {
		x, y, z := a.Batch(1)[0], b.Batch(1)[0], c.Batch(1)[0]
		if !bytes.Equal(x, y) {
			t.Fatal("equal seeds draw different windows")
		}
		differ = differ || !bytes.Equal(x, z)
		if len(x) != 4 || !bytes.Contains(text, x) {
			t.Fatalf("%q is no window", x)
		}
		seen[string(x)] = true
	}
	if !differ || len(seen) != 7 {
		t.Errorf("%d of 7 windows drawn; other seed differs: %v", len(seen), differ)
	}
	if got := NewSampler(text, 50, 1).Batch(2); len(got) != 2 || len(got[0]) != 10 {
		t.Errorf("a short text gives %q", got)
	}
}
