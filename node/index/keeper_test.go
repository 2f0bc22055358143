package index

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Models are kept by policy and by need.
func TestKeeper(t *testing.T) {
	name := func(i string) block.CID { return cidOf(block.DagCBOR, i) }
	run := func(number, rounds uint64, late ledger.LatePolicy) *ledger.Run {
		r := &ledger.Run{ID: name("run"), Spec: &ledger.RunSpec{Base: name("0"), Constants: ledger.NewConstants(ledger.Beside{Tensors: name("c")}), Rounds: rounds, Late: late, LateMax: 2}, Round: number, Base: name("0")}
		for i := uint64(1); i < number; i++ {
			r.Base = name(string(rune('0' + i)))
			r.Commits = append(r.Commits, ledger.CommitAt{Commit: &ledger.Commit{Round: i, Model: r.Base}, Sealed: &ledger.Seal{}})
		}
		return r
	}
	bounded := func(r *ledger.Run) *ledger.Run { r.Bounded = true; return r }
	for _, c := range []struct {
		name   string
		run    *ledger.Run
		newest int
		want   string // models, by round; 0 is the base
	}{
		{"first round", run(1, 9, ledger.Drop), 1, "0"},
		{"late updates need their bases", run(6, 9, ledger.Carry), 1, "0345"},
		{"none are late", run(6, 9, ledger.Drop), 1, "05"},
		{"policy", run(6, 9, ledger.Drop), 3, "0345"},
		{"over", run(6, 5, ledger.Carry), 2, "045"},
		{"averaged ones are measured against theirs", run(6, 9, ledger.Average), 1, "0345"},
		{"a run that may be rewound keeps three", bounded(run(6, 9, ledger.Drop)), 1, "0345"},
		{"and what the site adds", bounded(run(6, 9, ledger.Drop)), 4, "02345"},
	} {
		k := &Keeper{models: map[block.CID]bool{}}
		k.need(c.run, c.run.Commits, c.newest)
		got := ""
		for i := '0'; i <= '9'; i++ {
			if k.models[name(string(i))] {
				got += string(i)
			}
		}
		if !k.models[name("c")] {
			t.Errorf("%s: the constants are not kept", c.name)
		}
		if got != c.want {
			t.Errorf("%s: keeps %s, want %s", c.name, got, c.want)
		}
	}
}

// TestKeepsTens: of a run that may be rewound the newest three models stay whose round is a multiple of ten, also those that an
// earlier run made which it continues.
func TestKeepsTens(t *testing.T) {
	name := func(i int) block.CID { return cidOf(block.DagCBOR, fmt.Sprint("round ", i)) }
	var lineage []ledger.CommitAt
	for i := range 57 {
		lineage = append(lineage, ledger.CommitAt{Commit: &ledger.Commit{Model: name(i + 1)}})
	}
	r := &ledger.Run{Spec: &ledger.RunSpec{Rounds: 17}, Bounded: true, Round: 18, Commits: lineage[40:]}
	k := &Keeper{models: map[block.CID]bool{}}
	k.need(r, lineage, 1)
	var kept []int
	for i := range 57 {
		if k.models[name(i+1)] {
			kept = append(kept, i+1)
		}
	}
	if want := []int{30, 40, 50, 55, 56, 57}; !slices.Equal(kept, want) {
		t.Errorf("keeps %v, want %v", kept, want)
	}
}
