package weft

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// steps are what happens in a round, in order.
var steps = []string{"training", "update", "shards", "announce", "gather", "seal", "reduce", "commit", "next base"}

// TestSteps: docs/architecture.md names for each step of a round the one file in which it begins, and the
// function there.
func TestSteps(t *testing.T) {
	doc, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| ([a-z ]+) \\| `([a-z/_]+\\.go)` \\| `(\\w+)` \\|").FindAllSubmatch(doc, -1) {
		step, file, function := string(row[1]), string(row[2]), string(row[3])
		listed = append(listed, step)
		src, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s: %v", step, err)
		} else if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + function + `\(`).Match(src) {
			t.Errorf("%s: %s has no function %s", step, file, function)
		}
	}
	if !slices.Equal(listed, steps) {
		t.Errorf("docs/architecture.md lists the steps %q, want %q", listed, steps)
	}
}
