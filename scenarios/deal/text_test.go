package deal

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/hint"
)

// repeat writes lines 1 to n, each as the format has it with its number and label 0 or 1.
func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1, i%2)
	}
	return b.String()
}

// TestColumn: which label a text has, or what is said of it.
func TestColumn(t *testing.T) {
	numbers, objects := repeat(32, "%d.5,%d,7\n"), repeat(32, "{\"n\": %d, \"ok\": %d}\n")
	for _, c := range []struct{ name, label, plan, text, want string }{
		{"x.csv", "", "iid", numbers, ""},
		{"x.csv", "", "label:1", "a,b,c\n" + numbers, "c"},
		{"x.csv", "", "iid", "a,b,c\n" + numbers, ""}, // the last column is a guess that is worth nothing there
		{"x.csv", "", "iid", "a, Label,c\n" + numbers, "Label"},
		{"x.csv", "", "label:1", "a,y,Class\n" + numbers, "Class"},
		{"x.csv", "b", "label:1", "a,b,label\n" + numbers, "b"},
		{"x.csv", "b", "label:1", "0,b,1\n" + numbers, "b"}, // names the label, so that it is a header
		{"x.csv", "2", "label:1", numbers, "2"},
		{"x.csv", "", "label:1", numbers, "3"},
		{"x.csv", "", "label:1", "a,b,\n" + numbers, "3"},
		{"x.csv", "", "iid", "a,y,label\n" + strings.ReplaceAll(numbers, ",7", ""), "line 2: 2 cells, want 3"},
		{"x.csv", "x", "iid", "a,y,c\n" + numbers, `no column "x" in the first row / there is "a", "y", "c"`},
		{"x.csv", "4", "iid", numbers, `no column "4", as there is no header / name a column by its number, 1 to 3`},
		{"x.csv", "x", "iid", numbers, `no column "x", as there is no header`},
		{"x.csv", "1", "label:1", numbers, `label "1" has 32 different values in 32 rows`},
		{"x.csv", "", "label:1", repeat(32, "%d;%d\n"), "one column"},
		{"x.csv", "", "iid", "a,y\n" + repeat(32, "%d,%d.5") + "\n", "cells, want 2"},
		{"x.csv", "", "iid", numbers + "1,\"2,3\n", `line 33: extraneous or missing " in quoted-field`},
		{"x.csv", "", "iid", "a\"b,c\n" + numbers, `line 1: bare "`},
		{"x.csv", "", "iid", "\"a,b\n" + strings.Repeat("x", maxRow+1<<16), "the row after line 0 has more than"},
		{"x.csv", "", "iid", "", "no rows"},
		{"x.csv", "", "iid", "a,b\n", "no rows"},
		{"x.csv", "", "iid", "a,b\n" + repeat(15, "%d,%d\n"), "15 rows are too few for 2 sites: each needs at least 8 / use more data, or fewer sites"},
		{"x.csv", "", "label:8", "a,b\n" + repeat(17, "%d,%d\n"), "b"},
		{"x.csv", "", "label:1000", "a,b\n" + repeat(17, "%d,%d\n"), "17 rows in 2000 shards leave a site"},
		{"x.csv", "", "dirichlet:0.01", "a,b\n" + strings.ReplaceAll(repeat(16, "%d,%d\n"), ",1", ",0"), "leaves a site fewer than 8 of the 16 rows, in each of 100 draws; the best gave ["},
		{"x.csv", "y", "label:1", "a,y\n" + repeat(32, "%d,"+strings.Repeat("x", 257)+"%d\n"), `label "y" has 258 bytes`},
		{"x.jsonl", "", "iid", objects, ""},
		{"x.jsonl", "", "label:1", objects, `no key of line 1 is named like a label / name one with --label: there is "n", "ok"`},
		{"x.jsonl", "ok", "label:1", objects, "ok"},
		{"x.ndjson", "", "label:1", strings.ReplaceAll(objects, "ok", "Target"), "Target"},
		{"x.jsonl", "no", "label:1", objects, `line 1 has no key "no" / there is "n", "ok"`},
		{"x.jsonl", "", "iid", "{\"y\": 1}\n" + objects, ""}, // most rows have no y
		{"x.jsonl", "y", "iid", "{\"y\": 1}\n" + objects, `line 2 has no key "y"`},
		{"x.jsonl", "ok", "iid", "\n" + strings.Replace(objects, "\"ok\": 1", "\"ok\": [1]", 1), `line 3: label "ok" is an object or an array`},
		{"x.jsonl", "", "iid", objects + "\n[1]\n", "line 34 is no JSON object"},
		{"x.jsonl", "", "iid", objects + "null", "line 33 is no JSON object"},
		{"x.jsonl", "", "iid", objects + "{\"a\": 1} {}", "line 33 is no JSON object"},
		{"x.jsonl", "", "iid", objects + strings.Repeat(" ", maxRow+1), "line 33 has more than"},
		{"x.csv.gz", "", "iid", "", "EOF"},
		{"x.txt", "", "iid", "", "no known kind of data file"},
		{"x.npz.gz", "", "iid", "", "no known kind of data file"},
		{"x.npz", "", "iid", "x", "no zip archive"},
	} {
		path := save(t, c.name, c.text)
		o := options(t, 2, c.plan)
		o.Label = c.label
		d, err := File(path, o)
		if err != nil {
			text, advice := hint.Split(err)
			if want, hinted, _ := strings.Cut(c.want, " / "); want == "" || !strings.HasPrefix(text, path+": ") || !strings.Contains(text, want) || !strings.Contains(advice, hinted) {
				t.Errorf("%.60q, %s, label %q: %v\nwant %s", c.text, c.plan, c.label, err, c.want)
			}
			if list, err := os.ReadDir(o.Dir); err != nil || len(list) > 0 {
				t.Errorf("%.60q: %v is left, %v", c.text, list, err)
			}
		} else if d.Label != c.want {
			t.Errorf("%.60q, %s, label %q: taken is %q, want %s", c.text, c.plan, c.label, d.Label, c.want)
		}
	}
}

// TestLabels: values that look different in the file are one label if they mean the same.
func TestLabels(t *testing.T) {
	for name, text := range map[string]string{
		"x.csv":   "a,y\n" + repeat(16, "%d,\"%d\"\n") + repeat(16, "%d, %d \n"),
		"x.jsonl": repeat(16, "{\"a\": %d, \"y\": %d}\n") + repeat(16, "{\"a\": %d, \"y\": \"%d\"}\r\n"),
	} {
		d, err := File(save(t, name, text), options(t, 2, "label:1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Parts {
			if len(p.Labels) != 1 || p.Labels["0"]+p.Labels["1"] != 16 || p.Rows != 16 {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
}

// TestBytes: a row keeps its bytes, each part has the header, and the mark that Excel writes is gone.
func TestBytes(t *testing.T) {
	head, row := "\"a\",y\r\n", "\"1\n,\"\"\",%d%d\r\n"
	d, err := File(save(t, "x.csv", "\ufeff"+head+"\r\n\n"+repeat(16, row)+"2,1"), options(t, 1, "iid"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(d.Parts[0].Path); err != nil || string(got) != head+repeat(16, row)+"2,1\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// plans are plans that most files can be dealt by.
var plans = rapid.SampledFrom([]string{"iid", "label:1", "label:2", "dirichlet:1", "dirichlet:20"})

// drawText draws a text of a kind, and its rows. No two rows are the same.
func drawText(r *rapid.T, kind string) (text []byte, rows []string) {
	var b bytes.Buffer
	end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(r, "end")
	add := func(cells ...string) string {
		if kind == ".jsonl" {
			line, _ := json.Marshal(map[string]string{"id": cells[0], "text": cells[1], "y": cells[2]})
			b.Write(line)
			b.WriteString(end)
			return string(line)
		}
		w := csv.NewWriter(&b)
		w.UseCRLF = end == "\r\n"
		w.Write(cells)
		w.Flush()
		return strings.Join(cells, "\x00")
	}
	if kind == ".csv" && rapid.Bool().Draw(r, "header") {
		add("id", "text", "y")
	}
	cells := rapid.SampledFrom([]string{"", "x", "a,b", "\"", "two\nlines", "\n", "ü", "\x7f", " x", "1e5"})
	labels := rapid.SampledFrom([]string{"cat", "dog", "7", ""})
	for i := range rapid.IntRange(1, 120).Draw(r, "rows") {
		rows = append(rows, add(fmt.Sprint(i), cells.Draw(r, "cell"), labels.Draw(r, "label")))
		if rapid.IntRange(0, 9).Draw(r, "empty line") == 0 {
			b.WriteString(end)
		}
	}
	return b.Bytes(), rows
}

// readText reads the rows of a part as drawText has them.
func readText(r *rapid.T, path, kind string) (rows []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	if kind == ".jsonl" {
		return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r", "")), "\n")
	}
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		r.Fatal(err)
	}
	for i, cells := range records {
		if i > 0 || cells[0] != "id" {
			rows = append(rows, strings.Join(cells, "\x00"))
		}
	}
	return rows
}

// TestTextParts: the parts have every row once, in the file's order, and the same seed makes the same bytes.
func TestTextParts(t *testing.T) {
	for _, kind := range []string{".csv", ".jsonl"} {
		rapid.Check(t, func(r *rapid.T) {
			text, rows := drawText(r, kind)
			name := "x" + kind
			if rapid.Bool().Draw(r, "packed") {
				name += ".gz"
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				z.Write(text)
				z.Close()
				text = b.Bytes()
			}
			o := options(t, rapid.IntRange(1, 4).Draw(r, "sites"), plans.Draw(r, "plan"))
			o.Seed = rapid.Uint64().Draw(r, "seed")
			d, err := File(save(t, name, string(text)), o)
			if err != nil {
				mayFail(r, err)
				return
			}
			place := map[string]int{}
			for i, row := range rows {
				place[row] = i
			}
			found := 0
			for _, p := range d.Parts {
				part := readText(r, p.Path, kind)
				places := make([]int, len(part))
				for i, row := range part {
					at, ok := place[row]
					if !ok {
						r.Fatalf("row %q is no row, or there twice", row)
					}
					delete(place, row)
					places[i] = at
				}
				if !slices.IsSorted(places) || len(part) != p.Rows || filepath.Ext(p.Path) != kind {
					r.Fatalf("%s has %d rows, told are %d; they were at %v", p.Path, len(part), p.Rows, places)
				}
				found += len(part)
			}
			if found != len(rows) || d.Rows != found {
				r.Fatalf("%d rows in parts, told are %d, want %d", found, d.Rows, len(rows))
			}
			dealAgain(t, r, save(t, name, string(text)), o, d)
		})
	}
}

// mayFail fails unless an error says that there are too few rows for this plan.
func mayFail(r *rapid.T, err error) {
	for _, may := range []string{"too few", "too many", "leave", "draws"} {
		if strings.Contains(err.Error(), may) {
			return
		}
	}
	r.Fatal(err)
}

// dealAgain deals a file out again and compares the parts.
func dealAgain(t *testing.T, r *rapid.T, path string, o Options, d *Dealt) {
	o.Dir = t.TempDir()
	again, err := File(path, o)
	if err != nil {
		r.Fatal(err)
	}
	for i := range d.Parts {
		a, errA := os.ReadFile(d.Parts[i].Path)
		b, errB := os.ReadFile(again.Parts[i].Path)
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			r.Fatalf("part %d is another with the same seed, %v", i, err)
		}
	}
}
