package ledger

import (
	"math/rand/v2"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// TestQuorum checks the arithmetic against its meaning: two quorums share a correct site, and the
// correct sites alone are a quorum.
func TestQuorum(t *testing.T) {
	for n := 1; n <= 200; n++ {
		for _, faults := range []Faults{Byzantine, Crash} {
			r := testRoster(n, faults)
			down := r.F()
			if faults == Crash {
				down = (n - 1) / 2
			}
			if 2*r.Quorum()-n <= r.F() {
				t.Errorf("n=%d %s: two quorums of %d may share liars only", n, faults, r.Quorum())
			}
			if n-down < r.Quorum() {
				t.Errorf("n=%d %s: %d sites are no quorum of %d", n, faults, n-down, r.Quorum())
			}
		}
	}
}

func testRoster(n int, faults Faults) *Roster {
	sites := make([]Site, n)
	for i := range sites {
		sites[i].ID = peer.ID([]byte{byte(i >> 8), byte(i)})
	}
	return NewRoster(sites, faults)
}

func TestProposerRotates(t *testing.T) {
	r := testRoster(7, Byzantine)
	parent := block.Sum(block.Raw, []byte("x"))
	seen := map[peer.ID]bool{}
	for view := range uint64(7) {
		seen[r.Proposer(parent, view+rand.Uint64N(1<<40)*7)] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d of 7 sites propose in 7 views", len(seen))
	}
}

// TestWeight compares the integer weights of late updates with exact fractions rounded down each round.
func TestWeight(t *testing.T) {
	s := RunSpec{LateNum: 1, LateDen: 2, SampleCap: 100}
	for _, c := range []struct{ samples, stale, want uint64 }{{7, 0, 7}, {7, 1, 3}, {7, 2, 1}, {7, 3, 0}, {1000, 0, 100}, {1000, 1, 50}} {
		if got := s.Weight(c.samples, c.stale); got != c.want {
			t.Errorf("%d samples %d rounds late: %d, want %d", c.samples, c.stale, got, c.want)
		}
	}
	s = RunSpec{LateNum: 1000, LateDen: 1000}
	if got := s.Weight(MaxSamples, MaxStale); got != MaxSamples {
		t.Errorf("greatest weight overflows to %d", got)
	}
}
