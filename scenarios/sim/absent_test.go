package sim

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/trace"
)

// roundTimes returns how long each round of a mesh took, until its commit was decided at the first site.
func roundTimes(t *testing.T, n int, seed, rounds uint64, training time.Duration, plan ...Fault) []time.Duration {
	t.Helper()
	var commits []time.Duration
	c := mesh(n, rounds, func(c *Config) {
		c.Seed, c.Plan = seed, plan
		y := c.Workload.(*Synthetic)
		y.Time = training
		c.Observe = func(at time.Duration, site int, e trace.Event) {
			if d, ok := e.(trace.Decided); ok && site == 0 && (d.Decision.Kind == "commit" || d.Decision.Kind == "open") {
				commits = append(commits, at)
			}
		}
	})
	w := play(t, c, 5*time.Hour)
	if len(commits) != int(rounds)+1 {
		t.Fatalf("%d rounds of %d at %v", len(commits)-1, rounds, w.Now())
	}
	var took []time.Duration
	for i := 1; i < len(commits); i++ {
		took = append(took, commits[i]-commits[i-1])
	}
	return took
}

func altogether(list []time.Duration) (d time.Duration) {
	for _, x := range list {
		d += x
	}
	return d
}

// TestTheAbsentAreNotAwaited: a site that takes part dies. The round in which it does goes on for a quarter of a training at most, or
// a few seconds; those after it take no longer than with it, though its
// consent stands.
func TestTheAbsentAreNotAwaited(t *testing.T) {
	const rounds, dies = 10, 3
	for _, training := range []time.Duration{2 * time.Second, time.Minute} {
		for _, n := range []int{4, 8} {
			with := roundTimes(t, n, 1, rounds, training)
			dead := roundTimes(t, n, 1, rounds, training, Fault{Kind: Crash, Round: dies, At: training / 2, Sites: []int{n - 1}})
			grace := max(5*time.Second, training/3) // a quarter of a training that takes up to a fifth longer, and a moment
			if most := with[dies-1] + grace; dead[dies-1] > most {
				t.Errorf("%d sites, %v: the round in which one dies takes %v, want %v at most", n, training, dead[dies-1], most)
			}
			later, calm := altogether(dead[dies:]), altogether(with[dies:])
			t.Logf("%d sites, %v: the round in which one dies takes %v instead of %v, later ones %.1f %% more", n, training, dead[dies-1], with[dies-1], 100*(float64(later)/float64(calm)-1))
			if training >= time.Minute && float64(later) > 1.02*float64(calm) { // short ones are outweighed by the views in which the dead would propose
				t.Errorf("%d sites, %v: rounds without the dead take %v, with it %v", n, training, later, calm)
			}
		}
	}
}

// TestWhoComesBackIsAwaited: a site that was away is waited for again once it is back, also if it is slow.
func TestWhoComesBackIsAwaited(t *testing.T) {
	var seals []int
	c := mesh(4, 6, func(c *Config) {
		c.Plan = []Fault{{Kind: Crash, Round: 2, At: 3 * time.Second, For: 15 * time.Second, Sites: []int{3}}}
		c.Sites[3].Slow = 1.3
		c.Observe = func(_ time.Duration, site int, e trace.Event) {
			if d, ok := e.(trace.Decided); ok && site == 0 && d.Decision.Kind == "seal" {
				seals = append(seals, d.Decision.Updates)
			}
		}
	})
	play(t, c, time.Hour)
	if len(seals) != 6 || seals[3] != 4 || seals[4] != 4 || seals[5] != 4 {
		t.Errorf("seals of %v updates, want four from the fourth on", seals)
	}
}
