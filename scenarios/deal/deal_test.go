package deal

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/hint"
)

// save writes a file and returns its path.
func save(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// options deal to sites named a, b, ...
func options(t testing.TB, sites int, plan string) Options {
	t.Helper()
	p, err := ParsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Plan: p, Seed: 1, Dir: t.TempDir()}
	for i := range sites {
		o.Sites = append(o.Sites, string(rune('a'+i)))
	}
	return o
}

// flowers is a table of 300 rows and three labels of 100 rows each.
func flowers() string {
	var b strings.Builder
	b.WriteString("id,length,class\n")
	for i := range 300 {
		fmt.Fprintf(&b, "%d,%d.5,%s\n", i, i%7, []string{"iris", "rose", "tulip"}[i/100])
	}
	return b.String()
}

// TestGolden: a seed deals the same rows for ever.
func TestGolden(t *testing.T) {
	path := save(t, "flowers.csv", flowers())
	for plan, want := range map[string]string{
		"iid": `
a 100: iris 33 rose 28 tulip 39 first 4
b 100: iris 31 rose 31 tulip 38 first 0
c 100: iris 36 rose 41 tulip 23 first 3
`,
		"dirichlet:0.5": `
a 26: iris 12 rose 11 tulip 3 first 9
b 126: iris 9 rose 88 tulip 29 first 7
c 148: iris 79 rose 1 tulip 68 first 0
`,
		"dirichlet:100": `
a 102: iris 32 rose 36 tulip 34 first 4
b 94: iris 33 rose 29 tulip 32 first 0
c 104: iris 35 rose 35 tulip 34 first 3
`,
		"label:1": `
a 100: rose 100 first 100
b 100: iris 100 first 0
c 100: tulip 100 first 200
`,
		"label:2": `
a 100: iris 50 rose 50 first 1
b 100: rose 50 tulip 50 first 100
c 100: iris 50 tulip 50 first 0
`,
	} {
		d, err := File(path, options(t, 3, plan))
		if err != nil {
			t.Fatalf("%s: %v", plan, err)
		}
		if got := describe(d); got != strings.TrimPrefix(want, "\n") {
			t.Errorf("%s: got\n%swant%s", plan, got, want)
		}
	}
}

// describe lists the parts: rows, rows of each label, and the first row's id.
func describe(d *Dealt) string {
	var b strings.Builder
	for _, p := range d.Parts {
		text, _ := os.ReadFile(p.Path)
		lines := strings.Split(string(text), "\n")
		first, _, _ := strings.Cut(lines[1], ",")
		fmt.Fprintf(&b, "%s %d:", p.Site, p.Rows)
		for _, label := range slices.Sorted(maps.Keys(p.Labels)) {
			fmt.Fprintf(&b, " %s %d", label, p.Labels[label])
		}
		fmt.Fprintf(&b, " first %s\n", first)
	}
	return b.String()
}

func TestParsePlan(t *testing.T) {
	for text, want := range map[string]Plan{
		"iid": {Kind: IID}, "dirichlet:0.5": {Kind: Dirichlet, Alpha: 0.5}, "dirichlet:1000": {Kind: Dirichlet, Alpha: 1000}, "label:2": {Kind: Label, Labels: 2},
	} {
		if got, err := ParsePlan(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v, again %s", text, got, err, got)
		}
	}
	for _, text := range []string{"", "iid:", "iid:1", "dirichlet", "dirichlet:", "dirichlet:x", "dirichlet:0", "dirichlet:NaN", "dirichlet:1001", "dirichlet:1e999", "label", "label:0", "label:1.5", "label:1001", "IID", "shards:2"} {
		if _, err := ParsePlan(text); hint.Of(err) == "" {
			t.Errorf("%q: %v, want an error with a hint", text, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		n      int
		shares []float64
		want   []int
	}{
		{10, []float64{0.5, 0.5}, []int{5, 10}},
		{1, []float64{0.2, 0.2, 0.6}, []int{0, 0, 1}},
		{3, []float64{0.9999, 0, 0}, []int{3, 3, 3}},
		{7, []float64{0, 1.0000001, 0}, []int{0, 7, 7}},
	} {
		if got := cut(c.n, c.shares); !slices.Equal(got, c.want) {
			t.Errorf("%d by %v: %v, want %v", c.n, c.shares, got, c.want)
		}
	}
}

// TestOrder: whole numbers stand by value before everything else.
func TestOrder(t *testing.T) {
	names := []string{"b", "10", "9", "-1", "a", "", "09", "1.5"}
	slices.SortFunc(names, compare)
	if want := []string{"-1", "09", "9", "10", "", "1.5", "a", "b"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// TestLimits: what is too large is refused before it fills the memory.
func TestLimits(t *testing.T) {
	path := save(t, "x.csv", flowers())
	for want, lim := range map[string]limits{
		"more than 300 bytes": {bytes: 300, rows: 1000},
		"more than 299 rows":  {bytes: 1 << 20, rows: 299},
	} {
		if _, err := file(path, options(t, 2, "iid"), lim); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := file(path, options(t, 2, "iid"), limits{1 << 20, 300}); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(path, standard.bytes+1); err != nil { // sparse
		t.Fatal(err)
	}
	if _, err := File(path, options(t, 2, "iid")); err == nil || !strings.Contains(err.Error(), "more than 4294967296 bytes") {
		t.Error(err)
	}
}

// TestReplaces: no file is replaced, least of all the one that is dealt out, and none is left of a failure.
func TestReplaces(t *testing.T) {
	path := save(t, "b.csv", flowers())
	o := options(t, 2, "iid")
	o.Dir = filepath.Dir(path)
	if _, err := File(path, o); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != flowers() {
		t.Errorf("the file is another now: %v", err)
	}
	if list, err := os.ReadDir(o.Dir); err != nil || len(list) != 1 {
		t.Errorf("%v are in the folder, %v", list, err)
	}
}

func TestOptions(t *testing.T) {
	path := save(t, "x.csv", flowers())
	for _, sites := range [][]string{nil, {""}, {"a/b"}, {".."}, {"a", "a"}, make([]string, MaxSites+1)} {
		o := options(t, 0, "iid")
		o.Sites = sites
		if _, err := File(path, o); err == nil {
			t.Errorf("sites %.40q are taken", sites)
		}
	}
	if _, err := File(path, Options{Sites: []string{"a"}, Dir: t.TempDir()}); err == nil {
		t.Error("no plan is one")
	}
}
