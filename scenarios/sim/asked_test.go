package sim

import (
	"testing"

	"github.com/weft-mesh/weft/ledger"
)

// TestAskers gives askers a mesh in which runs are asked for: the honest run opens and is trained, as if nobody else asked for any;
// of theirs at most as many open as the honest sites consent to by themselves, and none whose base nobody has.
func TestAskers(t *testing.T) {
	deeds := map[string]int{}
	for _, kind := range []string{"asker", "baseless"} {
		for seed := range uint64(4) {
			p := lie(t, 4, 1, kind, seed, func(c *Config) { c.Protocol = ledger.AskProtocol })
			l := p.Machine(0).Ledger()
			for _, i := range p.honest() {
				if p.Machine(i).Ledger().Head() != l.Head() {
					t.Errorf("%s, seed %d: site %d has another ledger", kind, seed, i)
				}
			}
			honest, theirs := 0, 0
			for _, r := range l.Runs() {
				if r.Spec.By == p.ID(3) {
					theirs++
				} else if !r.Active() && len(r.Commits) == 4 {
					honest++
				}
			}
			if honest != 1 || kind == "baseless" && theirs > 0 || theirs > 6 { // two of three honest sites consent, each to four an hour
				t.Errorf("%s, seed %d: %d honest runs done, %d others opened", kind, seed, honest, theirs)
			}
			if n := p.Machine(0).Footprint().Runs.Asked; n > ledger.MaxAsked+2 {
				t.Errorf("%s, seed %d: %d are kept", kind, seed, n)
			}
			for deed, n := range p.deeds {
				deeds[deed] += n
			}
		}
	}
	t.Log(deeds)
	for _, deed := range []string{"runs without end, taken back", "what it has said before", "two lists in one place", "runs without consents", "runs whose base nobody has", "more runs than it may ask for"} {
		if deeds[deed] == 0 {
			t.Errorf("nobody asked for %s", deed)
		}
	}
}
