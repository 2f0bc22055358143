package round

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
)

// TestRandomSchedules plays seeded schedules of delay, disorder, loss, crashes and restarts. After
// every record saved, checkSave holds safety; after the faults end, the run must finish, with the
// same models at every site.
func TestRandomSchedules(t *testing.T) {
	seeds := 12 // FuzzSchedule searches on
	if testing.Short() {
		seeds = 10
	}
	for _, mesh := range []struct {
		n       int
		faults  ledger.Faults
		crashes int
	}{{1, ledger.Byzantine, 0}, {3, ledger.Byzantine, 1}, {3, ledger.Crash, 1}, {4, ledger.Byzantine, 1}, {4, ledger.Byzantine, 4}, {5, ledger.Crash, 2}, {7, ledger.Byzantine, 2}} {
		t.Run(fmt.Sprintf("n=%d %s down=%d", mesh.n, mesh.faults, mesh.crashes), func(t *testing.T) {
			for seed := range uint64(seeds) {
				randomSchedule(t, seed, mesh.n, mesh.faults, mesh.crashes)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// FuzzSchedule searches the same schedules by seed.
func FuzzSchedule(f *testing.F) {
	f.Add(uint64(1), uint8(4), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, n, crashes uint8) {
		sites := int(n%7) + 1
		randomSchedule(t, seed, sites, ledger.Byzantine, int(crashes)%(sites+1))
	})
}

func randomSchedule(t testing.TB, seed uint64, n int, faults ledger.Faults, crashes int) {
	rng := rand.New(rand.NewPCG(seed, 7))
	e := newEnv(t, n, faults)
	const rounds = 5
	spec := e.spec(rounds)
	if seed%3 == 0 {
		spec.Late = ledger.Drop
	}
	e.open(spec)
	e.random(rng, 60*time.Second, 0.1*rng.Float64(), crashes)
	for _, s := range e.sites {
		if s.down {
			e.restart(s)
		}
	}
	for end := e.now + 5*time.Minute; e.now < end; {
		e.random(rng, e.now+5*time.Second, 0, 0)
		done := true
		for _, s := range e.sites {
			r := s.ledger.Run(spec.ID())
			done = done && r != nil && r.Round == rounds+1
		}
		if done {
			e.sameModels(spec)
			return
		}
	}
	for _, s := range e.sites {
		t.Logf("site %d: height %d view %d step %s opened %v, %d candidates, down %v, run %+v", s.num, s.consensus.Number(), s.View(), s.consensus.Snapshot().Step, s.consensus.Snapshot().Opened, len(s.consensus.Snapshot().Candidates), s.down, s.ledger.Run(spec.ID()))
	}
	t.Errorf("seed %d: n=%d: the run does not finish", seed, n)
}

func (e *env) sameModels(spec *ledger.RunSpec) {
	first := e.sites[0].ledger.Run(spec.ID())
	for _, s := range e.sites[1:] {
		for i, c := range s.ledger.Run(spec.ID()).Commits {
			if c.Model != first.Commits[i].Model {
				e.t.Errorf("round %d: site %d has %s, site 1 %s", c.Round, s.num, c.Model, first.Commits[i].Model)
			}
		}
	}
}
