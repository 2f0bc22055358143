package deal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFile: whatever is in a file, it is dealt out whole, or not at all.
func FuzzFile(f *testing.F) {
	exts := []string{".csv", ".jsonl", ".npz", ".csv.gz", ".jsonl.gz"}
	y := npy("'|u1'", "(20,)", bytesOf(20, 1, 2))
	for _, text := range []string{repeat(20, "%d,%d\n"), repeat(20, "{\"a\": %d, \"y\": %d}\n"), archive("y.npy", y, "x.npy", y), "a,y\n" + repeat(20, "\"%d\n\",%d\n")} {
		for i := range exts {
			f.Add(byte(i), byte(i), []byte(text))
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, ext, plan byte, text []byte) {
		path := filepath.Join(dir, "file"+exts[int(ext)%len(exts)])
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(t, 2, []string{"iid", "dirichlet:1", "label:1"}[plan%3])
		d, err := file(path, o, limits{bytes: 1 << 20, rows: 10_000})
		list, errList := os.ReadDir(o.Dir)
		if errList != nil {
			t.Fatal(errList)
		}
		if err != nil {
			if len(list) > 0 || !strings.HasPrefix(err.Error(), path+": ") {
				t.Fatalf("%v are left of %v", list, err)
			}
			return
		}
		rows, labelled := 0, 0
		for _, p := range d.Parts {
			rows += p.Rows
			for _, n := range p.Labels {
				labelled += n
			}
		}
		if len(list) != 2 || rows != d.Rows || rows > 10_000 || d.Label != "" && labelled != rows {
			t.Fatalf("%v: %+v", list, d)
		}
	})
}
