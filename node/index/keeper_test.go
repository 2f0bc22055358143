package index

import (
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
