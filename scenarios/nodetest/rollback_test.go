package nodetest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// TestRollbacks puts the directory of one site after another back to what it was some seconds ago, as the snapshot of a
// virtual machine does, while trainings yield something else each time. Nobody is named, and rounds go on. Every other time another
// site fails at the same moment, so that the height stays open in which the site may have voted. WEFT_ROLLBACKS says how often.
func TestRollbacks(t *testing.T) {
	rolls := 2
	if s := os.Getenv("WEFT_ROLLBACKS"); s != "" {
		var err error
		if rolls, err = strconv.Atoi(s); err != nil {
			t.Fatalf("WEFT_ROLLBACKS=%s: %v", s, err)
		}
	}
	settle(t, 1)
	synctest.Test(t, func(t *testing.T) { rollBack(t, rolls) })
}

func rollBack(t *testing.T, rolls int) {
	w := weather{sites: 4}
	m := New(t, Config{Seed: 1, Sites: w.sites, Model: 8_000, Shard: 500, Train: w.train, Line: w.line})
	c := &churn{weather: w, t: t, m: m, chance: rand.New(rand.NewPCG(1, 5)), begin: time.Now()}
	for _, s := range m.Sites {
		s.Start()
	}
	c.await("all sites connected", time.Minute, func() bool { return c.status(m.Sites[0]).Up == w.sites })
	reply, err := m.Sites[0].Node.Site().OpenRun(t.Context(), api.RunRequest{Init: true, Spec: ledger.RunSpec{Name: "rollbacks", Rounds: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	c.run = reply.Run
	c.await("the first round", time.Minute, func() bool { return c.rounds() > 0 })
	wait := func(most time.Duration) { time.Sleep(time.Duration(c.chance.Int64N(int64(most)))) }
	for i := range rolls {
		before := c.rounds()
		order := c.chance.Perm(w.sites)
		s, other := m.Sites[order[0]], m.Sites[order[1]]
		snapshot := s.Snapshot()
		wait(10 * time.Second)
		c.look(s)
		s.Kill()
		if i%2 == 1 {
			other.Kill()
		}
		s.PutBack(snapshot)
		wait(5 * time.Second)
		s.Start()
		if i%2 == 1 {
			wait(5 * time.Second)
			other.Start()
		}
		c.await("rounds go on", 3*time.Minute, func() bool { return c.rounds() >= before+2 })
	}
	rounds := c.rounds()
	took := time.Since(c.begin)
	if err := m.Sites[0].Node.Site().StopRun(t.Context(), c.run, "enough"); err != nil {
		t.Fatal(err)
	}
	c.await("the same ledger at all sites", 2*time.Minute, c.same)
	events := map[string]int{}
	for _, s := range m.Sites {
		_, list := s.Node.Site().Events(t.Context(), 0, false)
		for e := range list {
			events[string(e.Kind())]++
		}
	}
	c.inspect()
	t.Logf("%d directories were put back, %d rounds in %s; in the traces that are left %d statements came back and %d sites fell silent", rolls, rounds, took.Round(time.Second), events["recalled"], events["falls silent"])
}
