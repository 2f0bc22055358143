package aggregate_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/aggregate/aggregatetest"
)

// goldenStrategies returns the strategies that testdata has golden runs of, and all of their files one after another, each
// under its name.
func goldenStrategies(t *testing.T) (names []string, all string) {
	t.Helper()
	files, err := filepath.Glob("testdata/strategies/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden strategies: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if *rewrite {
			lines, err := aggregatetest.GoldenStrategy(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		lines, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names, all = append(names, name), all+name+"\n"+string(lines)
	}
	return names, all
}

// The golden runs come to what they always came to, round after round, the state with the model. Every rule and outer step has
// one: a new one needs an empty file in testdata/strategies, and then this test with -rewrite.
func TestGoldenStrategies(t *testing.T) {
	names, want := goldenStrategies(t)
	var got string
	for _, name := range names {
		lines, err := aggregatetest.GoldenStrategy(name)
		if err != nil {
			t.Fatal(err)
		}
		got += name + "\n" + lines
	}
	if got != want {
		t.Errorf("other models than those that meshes agreed on; got\n%s\nwant\n%s", got, want)
	}
	for _, e := range slices.Concat(aggregate.Rules(), aggregate.Outers()) {
		named := func(name string) bool { return slices.Contains(strings.Split(name, "+"), e.Name) }
		if !strings.HasPrefix(e.Name, "test-") && !slices.ContainsFunc(names, named) {
			t.Errorf("%s has no golden run", e.Name)
		}
	}
}
