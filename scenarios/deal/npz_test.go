package deal

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/hint"
)

// archive writes a zip archive of files, name and content in turn.
func archive(files ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, _ := w.CreateHeader(&zip.FileHeader{Name: files[i], Method: uint16(i % 4 * 4)}) // every other one is deflated
		io.WriteString(f, files[i+1])
	}
	w.Close()
	return b.String()
}

// bytesOf returns n elements of size bytes, of which each is its number, modulo m.
func bytesOf(n, size, m int) string {
	b := make([]byte, n*size)
	for i := range n {
		b[i*size] = byte(i % m)
	}
	return string(b)
}

// TestNpz: which label a file of arrays has, or what is said of it.
func TestNpz(t *testing.T) {
	x, y := npy("'<f4'", "(20, 3)", bytesOf(20, 12, 20)), npy("'|u1'", "(20,)", bytesOf(20, 1, 2))
	for _, c := range []struct{ label, plan, text, want string }{
		{"", "label:1", archive("x.npy", x, "y.npy", y), "y"},
		{"", "iid", archive("x.npy", x, "y.npy", y), "y"},
		{"", "iid", archive("x.npy", x, "z.npy", y), ""},
		{"z", "iid", archive("x.npy", x, "z.npy", y), "z"},
		{"", "iid", archive("x.npy", y, "y.npy", x), ""}, // each row has another y
		{"", "label:1", archive("x.npy", y, "y.npy", x), `label "y" has 20 different values in 20 rows`},
		{"", "label:1", archive("x.npy", x, "y_train.npy", y), `no array is named like a label / name one with --label: there is "x", "y_train"`},
		{"Y", "iid", archive("x.npy", x, "y.npy", y), `no array "Y" / there is "x", "y"`},
		{"", "iid", archive("x.npy", x, "y.npy", npy("'|u1'", "(21,)", bytesOf(21, 1, 2))), `array "y" has 21 rows, but "x" has 20 / save arrays of one length`},
		{"", "iid", archive("x.npy", x, "x.npy", x), `array "x" is there twice`},
		{"", "iid", archive("x.npy", x, "y.txt", y), `"y.txt" in it is no array`},
		{"", "iid", archive("x.npy", "x"), `array "x": it does not begin`},
		{"", "iid", archive("x.npy", x[:len(x)-1]), `array "x": it ends too soon`},
		{"", "iid", archive("x.npy", x+"1"), `array "x": it has more bytes`},
		{"", "iid", strings.Replace(archive("x.npy", x), "\x02\x00\x00", "\x02\x01\x00", 1), `array "x": zip: checksum error`},
		{"", "iid", archive("x.npy", npy("'|O'", "(20,)", "")), `array "x": its elements are objects of Python`},
		{"", "iid", archive("x.npy", npyOf(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (20, 3)}")), `Fortran's order, in which rows are not in one piece / save numpy.ascontiguousarray`},
		{"", "iid", archive("x.npy", npy("'<f4'", "()", "1234")), "a single value and has no rows"},
		{"", "iid", archive("x.npy", npy("'<f4'", "(0, 3)", "")), "it is empty"},
		{"", "iid", archive(), "no rows"},
		{"", "label:1", archive("y.npy", npy("'<f8'", "(20, 129)", bytesOf(20, 8*129, 2))), `a row of the label "y" has 1032 bytes`},
	} {
		path := save(t, "x.npz", c.text)
		o := options(t, 2, c.plan)
		o.Label = c.label
		d, err := File(path, o)
		if err != nil {
			text, advice := hint.Split(err)
			if want, hinted, _ := strings.Cut(c.want, " / "); want == "" || !strings.HasPrefix(text, path+": ") || !strings.Contains(text, want) || !strings.Contains(advice, hinted) {
				t.Errorf("%s, label %q: %v\nwant %s", c.plan, c.label, err, c.want)
			}
			if list, err := os.ReadDir(o.Dir); err != nil || len(list) > 0 {
				t.Errorf("%s: %v is left, %v", c.want, list, err)
			}
		} else if d.Label != c.want {
			t.Errorf("%s, label %q: taken is %q, want %s", c.plan, c.label, d.Label, c.want)
		}
	}
}

// TestDecode: labels are shown as people write them.
func TestDecode(t *testing.T) {
	for _, c := range []struct{ descr, shape, data, want string }{
		{"'|u1'", "(1,)", "\xff", "255"},
		{"'|i1'", "(1, 1)", "\xff", "-1"},
		{"'|b1'", "(1,)", "\x01", "1"},
		{"'>i2'", "(1,)", "\xff\x00", "-256"},
		{"'<i4'", "(1,)", "\x07\x00\x00\x00", "7"},
		{"'<i8'", "(1,)", "\xfe\xff\xff\xff\xff\xff\xff\xff", "-2"},
		{"'<u8'", "(1,)", "\xfe\xff\xff\xff\xff\xff\xff\xff", "18446744073709551614"},
		{"'<f4'", "(1,)", "\x00\x00\x80\x3f", "1"},
		{"'>f8'", "(1,)", "\xbf\xe0\x00\x00\x00\x00\x00\x00", "-0.5"},
		{"'<f2'", "(1,)", "\x00\x3c", "003c"},
		{"'|S4'", "(1,)", "cat\x00", "cat"},
		{"'<U2'", "(1,)", "\xfc\x00\x00\x00\x00\x00\x00\x00", "ü"},
		{"'>U1'", "(1,)", "\x00\x00\x00a", "a"},
		{"'|u1'", "(1, 2)", "\x01\x02", "0102"},
		{"[('a', '<i2')]", "(1,)", "\x01\x02", "0102"},
	} {
		h, err := readHeader(strings.NewReader(npy(c.descr, c.shape, "")))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.decode([]byte(c.data)); got != c.want || h.row() != int64(len(c.data)) {
			t.Errorf("%s: %q of %d bytes, want %q", c.descr, got, h.row(), c.want)
		}
	}
}

// readNpz returns the data of a part's arrays by name, after a look at their headers.
func readNpz(r rapid.TB, p Part) map[string]string {
	z, err := zip.OpenReader(p.Path)
	if err != nil {
		r.Fatal(err)
	}
	defer z.Close()
	arrays := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			r.Fatal(err)
		}
		h, err := readHeader(in)
		data, errData := io.ReadAll(in)
		if err != nil || errData != nil || h.rows() != int64(p.Rows) || h.row()*h.rows() != int64(len(data)) {
			r.Fatalf("%s in %s: %d rows of %d bytes, want %d; %d bytes, %v, %v", f.Name, p.Path, h.rows(), h.row(), p.Rows, len(data), err, errData)
		}
		arrays[f.Name] = string(data)
	}
	return arrays
}

// TestNpzParts: the parts have every row of each array once, and the same seed makes the same bytes.
func TestNpzParts(t *testing.T) {
	types := rapid.SampledFrom([]string{"'<f4'#4", "'>i2'#2", "'|S3'#3", "[('a', '<f8'), ('b', '|u1')]#9", "'<U1'#4"})
	rapid.Check(t, func(r *rapid.T) {
		rows := rapid.IntRange(1, 200).Draw(r, "rows")
		whole := map[string]string{} // data by name
		var files []string
		add := func(name, descr, shape string, size, different int) {
			whole[name] = bytesOf(rows, size, different)
			files = append(files, name, npy(descr, fmt.Sprintf(shape, rows), whole[name]))
		}
		add("y.npy", "'|u1'", "(%d,)", 1, rapid.IntRange(1, 5).Draw(r, "labels"))
		for i := range rapid.IntRange(0, 3).Draw(r, "arrays") {
			descr, size, _ := strings.Cut(types.Draw(r, "type"), "#")
			add(fmt.Sprintf("x%d.npy", i), descr, "(%d, 1, 5)", 5*int(size[0]-'0'), 256)
		}
		path := save(t, "x.npz", archive(files...))
		o := options(t, rapid.IntRange(1, 4).Draw(r, "sites"), plans.Draw(r, "plan"))
		o.Seed = rapid.Uint64().Draw(r, "seed")
		d, err := File(path, o)
		if err != nil {
			mayFail(r, err)
			return
		}
		all := map[string][]string{} // rows by name
		for _, p := range d.Parts {
			for name, data := range readNpz(r, p) {
				for row := range slices.Chunk([]byte(data), len(whole[name])/rows) {
					all[name] = append(all[name], string(row))
				}
			}
		}
		for name, data := range whole {
			want := []string{}
			for row := range slices.Chunk([]byte(data), len(data)/rows) {
				want = append(want, string(row))
			}
			got := slices.Sorted(slices.Values(all[name]))
			if slices.Sort(want); !slices.Equal(got, want) {
				r.Fatalf("%s: rows are %q, want %q", name, got, want)
			}
		}
		if len(all) != len(whole) {
			r.Fatalf("there are %d arrays, want %d", len(all), len(whole))
		}
		dealAgain(t, r, path, o, d)
	})
}

// TestLongRows: a row is dealt whole, however many pieces it is read in.
func TestLongRows(t *testing.T) {
	row := func(i int) string { return strings.Repeat(string(rune('a'+i)), 2*pieceSize+1) }
	data := ""
	for i := range 16 {
		data += row(i)
	}
	d, err := File(save(t, "x.npz", archive("x.npy", npy(fmt.Sprintf("'|S%d'", len(row(0))), "(16,)", data))), options(t, 2, "iid"))
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, p := range d.Parts {
		all += readNpz(t, p)["x.npy"]
	}
	for i := range 16 {
		if !strings.Contains(all, row(i)) {
			t.Errorf("row %d is not whole", i)
		}
	}
}

// TestNumPy: NumPy writes what is dealt out and reads the parts.
func TestNumPy(t *testing.T) {
	python := os.Getenv("WEFT_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import numpy").Run(); err != nil {
		t.Skipf("%s has no numpy", python)
	}
	dir := t.TempDir()
	run := func(script string) {
		cmd := exec.Command(python, "-c", script)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run(`
import numpy as np
n = 120
a = dict(id=np.arange(n), x=np.random.rand(n, 4, 2), y=np.array(["cat", "dög", "eel"])[np.arange(n) % 3],
	when=np.arange(n).astype("M8[s]"), half=np.arange(n, dtype=">f2"), flag=np.arange(n) % 2 == 0,
	rec=np.zeros(n, dtype=np.dtype([("a", "<f4"), ("b", "|S3", (2,)), ("c", [("d", "u1")])], align=True)))
a["rec"]["a"] = np.arange(n)
np.savez_compressed("all.npz", **a)
`)
	o := options(t, 3, "dirichlet:1")
	o.Dir = dir
	d, err := File(filepath.Join(dir, "all.npz"), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Parts[0].Labels["dög"] + d.Parts[1].Labels["dög"] + d.Parts[2].Labels["dög"]; got != 40 {
		t.Errorf("%+v", d.Parts)
	}
	run(`
import numpy as np
whole, seen = np.load("all.npz"), []
for site in "abc":
	part = np.load(site + ".npz")
	assert part.files == whole.files, part.files
	ids = part["id"]
	seen += list(ids)
	for name in whole.files:
		assert part[name].dtype == whole[name].dtype and np.array_equal(part[name], whole[name][ids]), name
assert sorted(seen) == list(range(120)), seen
`)
}
