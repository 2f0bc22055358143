package ledger

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestCapTable: what updates weigh, for implementations in other languages.
func TestCapTable(t *testing.T) {
	text, err := os.ReadFile("testdata/cap.json")
	if err != nil {
		t.Fatal(err)
	}
	var table []struct {
		F                int
		Samples, Weights []uint64
		Most             uint64
	}
	if err := json.Unmarshal(text, &table); err != nil || len(table) < 20 {
		t.Fatalf("%d rows, %v", len(table), err)
	}
	for _, c := range table {
		most := Cap(c.Samples, c.F)
		var got []uint64
		for _, w := range c.Samples {
			got = append(got, min(w, most))
		}
		if most != c.Most || !slices.Equal(got, c.Weights) {
			t.Errorf("f = %d, %v: at most %d, %v; want %d, %v", c.F, c.Samples, most, got, c.Most, c.Weights)
		}
	}
}

// fits says in the words of the rule whether no update weighs more than most, and the k heaviest no more than all others.
func fits(weights []uint64, k int, most uint64) bool {
	var all, first uint64
	sorted := slices.Sorted(slices.Values(weights))
	for i, w := range sorted {
		all += min(w, most)
		if i >= len(sorted)-k {
			first += min(w, most)
		}
	}
	return 2*first <= all
}

// TestCap compares it with the largest of all integers that fit, and holds what it is for: whatever up to f sites state, they have
// at most half of the weight.
func TestCap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.IntRange(0, 4).Draw(t, "f")
		weights := rapid.SliceOfN(rapid.Uint64Range(1, 60), 1, 14).Draw(t, "weights")
		k := min(max(1, f), len(weights)/2)
		want, all := uint64(0), slices.Max(weights)
		for most := uint64(0); most <= all; most++ {
			if fits(weights, k, most) {
				want = most
			}
		}
		if got := Cap(weights, f); got != want {
			t.Fatalf("f = %d, %v: at most %d, want %d", f, weights, got, want)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		honest := rapid.SliceOfN(rapid.Uint64Range(1, 1<<40), 1, 20).Draw(t, "honest")
		f := rapid.IntRange(1, 6).Draw(t, "f")
		liars := rapid.SliceOfN(rapid.Uint64Range(1, 1<<40), 1, min(f, len(honest))).Draw(t, "liars")
		most := Cap(append(slices.Clone(honest), liars...), f)
		var good, bad uint64
		for _, w := range honest {
			good += min(w, most)
		}
		for _, w := range liars {
			bad += min(w, most)
		}
		if bad > good {
			t.Fatalf("%d liars weigh %d, %d honest sites %d", len(liars), bad, len(honest), good)
		}
	})
}
