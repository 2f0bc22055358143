package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
)

// liars returns a mesh with liars: its first sites are honest, the last so many are of one kind.
func liars(n, k int, kind string, seed uint64) Config {
	return mesh(n, 4, func(c *Config) {
		c.Seed = seed
		c.Path = func(from, to int) Path {
			return Path{Latency: time.Duration(5+(from*7+to*7)%5*10) * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.02, Bandwidth: 10e6}
		}
		for i := n - k; i < n; i++ {
			c.Sites[i].Adversary = NewAdversary(kind)
		}
	})
}

// finished reports whether the honest sites have done all rounds of all runs.
func finished(w *World) bool {
	height := uint64(0)
	for i := range w.sites {
		if !w.Honest(i) || w.Machine(i) == nil {
			continue
		}
		l := w.Machine(i).Ledger()
		if height == 0 {
			height = l.Height()
		}
		if l.Height() != height || len(l.Runs()) == 0 {
			return false
		}
		for _, r := range l.Runs() {
			if r.Active() {
				return false
			}
		}
	}
	return height > 0
}

// agreed holds that the honest sites have the same models, hold the last, and name no honest site.
func agreed(t *testing.T, w *World) {
	t.Helper()
	var head block.CID
	for i := range w.sites {
		if !w.Honest(i) {
			continue
		}
		l := w.Machine(i).Ledger()
		if !head.Defined() {
			head = l.Head()
		}
		if l.Head() != head {
			t.Errorf("site %d: another ledger at height %d", i, l.Height())
		}
		for _, r := range l.Runs() {
			if last, _ := r.BaseOf(r.Round); !w.Holds(i, last) {
				t.Errorf("site %d: does not hold the model of round %d", i, r.Round-1)
			}
		}
		for _, id := range w.Machine(i).Named() {
			if w.Honest(w.index[id]) {
				t.Errorf("site %d: names honest site %d", i, w.index[id])
			}
		}
	}
}

func TestAdversaries(t *testing.T) {
	for _, k := range AdversaryKinds {
		t.Run(k.Name, func(t *testing.T) {
			deeds := map[string]int{}
			for seed := range uint64(6) {
				n, bad := 4, 1
				if seed%2 == 1 {
					n, bad = 7, 2
				}
				w, err := New(liars(n, bad, k.Name, seed))
				if err != nil {
					t.Fatal(err)
				}
				if err := w.Run(15*time.Minute, func() bool { return finished(w) }); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				t.Logf("seed %d: finished at %v, %d events", seed, w.Now(), w.Events())
				if err := w.Run(w.Now()+time.Minute, nil); err != nil { // who did not compute the last model fetches it
					t.Fatalf("seed %d: %v", seed, err)
				}
				if !finished(w) {
					t.Errorf("seed %d: %d of %d lie: not finished: %s", seed, bad, n, where(w))
				}
				agreed(t, w)
				for i := range w.sites {
					for deed, count := range w.Deeds(i) {
						deeds[deed] += count
					}
				}
			}
			if len(deeds) == 0 {
				t.Error("the adversary has done nothing")
			}
			t.Log(deeds)
		})
	}
}

// where says where each site stands.
func where(w *World) (text string) {
	for i, s := range w.sites {
		l := s.machine.Ledger()
		text += fmt.Sprintf("site %d height %d", i, l.Height())
		for _, r := range l.Runs() {
			text += fmt.Sprintf(" %s round %d", r.Spec.Name, r.Round)
		}
		text += "; "
	}
	return text
}
