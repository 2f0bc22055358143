package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// rolledBack is a mesh of honest sites whose disks are put back to earlier states one after another; no training yields what
// another has. In every other trial it is one site that loses votes while their heights stay open: others are down, and without
// them and it no quorum is left.
func rolledBack(seed uint64) *Trial {
	rng := rand.New(rand.NewPCG(seed, 8))
	t := &Trial{Seed: seed, Sites: []int{3, 4, 5, 7}[seed%4], Faults: ledger.Byzantine, Rounds: 4, Late: rng.IntN(2) == 0}
	t.Net = Path{Latency: time.Duration(rng.IntN(150)) * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.05 * rng.Float64(), Bandwidth: 10e6}
	t.Work = Synthetic{Bytes: 1e6, Time: 10 * time.Second, Spread: 0.5, Varies: true}
	for at := 10 * time.Second; at < 2*time.Minute && seed&4 == 0; at += 40 * time.Second {
		f := t.rollback(rng, rng.IntN(t.Sites))
		f.On, f.Nth, f.At = "", 0, at+time.Duration(rng.Int64N(int64(20*time.Second)))
		f.For = 6 * time.Second
		t.Plan = append(t.Plan, f)
	}
	sites := rng.Perm(t.Sites)
	for nth := uint64(1); nth < 8 && seed&4 > 0; nth += 1 + rng.Uint64N(3) {
		f := Fault{Kind: Rollback, On: "prevote", Nth: nth, At: time.Duration(rng.Int64N(int64(time.Second))), For: 6 * time.Second, Sites: sites[:1], Value: rng.Float64()}
		if rng.IntN(2) == 0 {
			f.On = "precommit"
		}
		down := f // the event is the first site's, which is down already then
		down.Kind, down.For, down.Sites = Crash, 20*time.Second, sites[:1+max(1, (t.Sites-1)/3)]
		t.Plan = append(t.Plan, f, down)
	}
	if seed&4 > 0 { // and an update that it has announced
		t.Plan = append(t.Plan, Fault{
			Kind: Rollback, On: "announce", Nth: 1 + rng.Uint64N(3), At: time.Duration(rng.Int64N(int64(2 * time.Second))), For: 6 * time.Second, Sites: sites[:1], Value: 5 * rng.Float64(),
		})
	}
	return t
}

// TestRollbacks: a site that is put back to an earlier state signs nothing that contradicts what it has said, nobody is named, and
// rounds go on.
func TestRollbacks(t *testing.T) {
	seeds := *seedsFlag
	if seeds == 0 {
		seeds = 40
	}
	recalled, silent := 0, 0
	for seed := *firstFlag; seed < *firstFlag+seeds; seed++ {
		w, err := rolledBack(seed).Play(func(at time.Duration, site int, e trace.Event) {
			if testing.Verbose() && seeds == 1 {
				line, _ := trace.Marshal(struct{}{}, e)
				fmt.Printf("%12v %2d %s\n", at, site+1, line)
			}
			switch e.(type) {
			case trace.Recalled:
				recalled++
			case trace.FallsSilent:
				silent++
			}
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i := range w.sites {
			if named := w.Machine(i).Named(); len(named) > 0 {
				t.Errorf("seed %d: site %d names %d honest sites", seed, i+1, len(named))
			}
		}
	}
	t.Logf("%d seeds: %d statements came back, %d sites fell silent", seeds, recalled, silent)
	if recalled == 0 || silent == 0 {
		t.Error("no statement came back, or no site fell silent: nothing was tried")
	}
}

// TestSilencer: sites restart beside a silencer, again and again. None falls silent, and rounds go on.
func TestSilencer(t *testing.T) {
	deeds := map[string]int{}
	for seed := range uint64(6) {
		p := lie(t, 4, 1, "silencer", seed, func(c *Config) {
			for i := range 12 {
				at := time.Duration(10+8*i) * time.Second
				c.Plan = append(c.Plan, Fault{Kind: Crash, At: at, For: time.Second, Sites: []int{i % 3}})
			}
		})
		p.agreed()
		if p.seen["falls silent"] > 0 {
			t.Errorf("seed %d: a site fell silent", seed)
		}
		for deed, n := range p.deeds {
			deeds[deed] += n
		}
	}
	for _, deed := range []string{"claimed to hold votes of a site that has restarted", "made up votes of a site that has restarted"} {
		if deeds[deed] == 0 {
			t.Errorf("nobody %s", deed)
		}
	}
}

// TestLostUpdate: a site is put back to before its training ended, when the others know of its update and have none of it. In a
// while it trains again, in a place of its own, though the round needs every site.
func TestLostUpdate(t *testing.T) {
	work := &Synthetic{Bytes: 1e9, Time: 10 * time.Second, Varies: true}
	spec := work.Spec("needs all", 2)
	spec.MinSites = 3
	c := Config{Seed: 1, Faults: ledger.Byzantine, Workload: work, Check: true, Acts: []Act{{At: 3 * time.Second, Do: runs.OpenRun{Spec: spec}}}}
	for i := range 3 {
		c.Sites = append(c.Sites, Site{Name: fmt.Sprint(i + 1)})
	}
	c.Sites[2].Slow = 2 // its update is the last
	c.Path = func(int, int) Path { return Path{Latency: time.Millisecond, Bandwidth: 50e6} }
	c.Plan = []Fault{{Kind: Rollback, On: "announce", Nth: 1, At: time.Second, For: 6 * time.Second, Sites: []int{2}, Value: 5}}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(15*time.Minute, w.Finished); err != nil {
		t.Fatal(err)
	}
	if !w.Finished() {
		t.Fatalf("not finished: %s", w.standing())
	}
}
