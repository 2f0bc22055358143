package aggregate_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/aggregate/aggregatetest"
	"github.com/weft-mesh/weft/block"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/golden.txt anew")

const goldenFile = "testdata/golden.txt"

// The golden models are what they always were.
func TestGolden(t *testing.T) {
	var models []byte
	for _, g := range aggregatetest.Goldens() {
		model, err := fedAvg(t, g.Round, aggregatetest.GoldenShard, aggregatetest.Direct, 2)
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		models = append(models, model...)
	}
	if *rewrite {
		if err := os.WriteFile(goldenFile, []byte(goldenCIDs(models)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	checkGolden(t, models)
}

// checkGolden compares the golden models, shard after shard, with testdata.
func checkGolden(t *testing.T, models []byte) {
	t.Helper()
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := goldenCIDs(models); got != string(want) {
		t.Errorf("other models than those that meshes agreed on; got\n%s\nwant\n%s", got, want)
	}
}

// goldenCIDs lists round, shard and CID of the golden models.
func goldenCIDs(models []byte) string {
	var list strings.Builder
	for _, g := range aggregatetest.Goldens() {
		offsets := g.Cut(aggregatetest.GoldenShard).Offsets
		for i, from := range offsets[:len(offsets)-1] {
			if offsets[i+1] > len(models) {
				return list.String() + "and no more"
			}
			fmt.Fprintf(&list, "%s/%d %s\n", g.Name, i, block.Sum(block.Raw, models[from:offsets[i+1]]))
		}
		models = models[offsets[len(offsets)-1]:]
	}
	if len(models) > 0 {
		fmt.Fprintf(&list, "and %d more bytes\n", len(models))
	}
	return list.String()
}

// The golden rounds follow the definition, and could not if a product were fused into a sum.
func TestFusingWouldShow(t *testing.T) {
	for _, g := range aggregatetest.Goldens() {
		model, err := fedAvg(t, g.Round, aggregatetest.GoldenShard, aggregatetest.Direct, 2)
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		defined, _ := reference(g.Round, slow)
		mustEqual(t, g.Name, model, defined)
		other, _ := reference(g.Round, fused)
		if strings.HasSuffix(g.Name, "opposed") && bytes.Equal(model, other) {
			t.Errorf("%s: fusing changes nothing", g.Name)
		}
	}
}
