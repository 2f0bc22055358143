package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// drawRoster draws one to three changes of the roster, each about a site of its own, with no more liars than every
// roster on the way withstands: changes may come in any order. Of some of them too few operators approve.
func (t *Trial) drawRoster(rng *rand.Rand, liar string) {
	there := slices.DeleteFunc(rng.Perm(t.Sites), func(site int) bool { return site == t.opener() })
	least := t.Sites // that the roster ever has
	for range 1 + rng.IntN(3) {
		f := Fault{Kind: RosterKinds[rng.IntN(len(RosterKinds))], At: time.Duration(rng.Int64N(int64(chaos))), Few: rng.IntN(4) == 0, Waver: rng.IntN(3) == 0}
		if rng.IntN(2) == 0 {
			f.Round, f.At = 1+rng.Uint64N(t.Rounds), time.Duration(rng.Int64N(int64(faultLast)))
		}
		if f.Kind != Add {
			if len(there) == 0 {
				continue
			}
			f.Sites, there = []int{there[0]}, there[1:]
		}
		switch {
		case f.Kind != Remove:
			f.Sites = append(f.Sites, t.Sites+t.Joiners)
			t.Joiners++
			if !f.Few && rng.IntN(4) == 0 && t.bads() < t.withstands(least) {
				t.Liars = append(t.Liars, LiarAt{t.Sites + t.Joiners - 1, t.adversary(rng)})
				if liar != "" {
					t.Liars[len(t.Liars)-1].Adversary = liar
				}
			}
		case f.Few:
		case least <= 2 || t.bads() > t.withstands(least-1):
			continue
		default:
			least--
		}
		t.Plan = append(t.Plan, f)
	}
}

// withstands returns how many liars a roster of n sites withstands.
func (t *Trial) withstands(n int) int {
	if t.Faults == ledger.Crash {
		return 0
	}
	return (n - 1) / 3
}

// bads counts the sites that the mesh must withstand.
func (t *Trial) bads() (n int) {
	for site := range t.Sites + t.Joiners {
		if t.bad(site) {
			n++
		}
	}
	return n
}
