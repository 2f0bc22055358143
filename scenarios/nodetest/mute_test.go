package nodetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
)

// TestTooManyLostLogs: two sites of three lose their logs at once. Nobody is left to decide, which is said; the newest directory of
// one of them, put back, frees the mesh, as docs/operations.md says.
func TestTooManyLostLogs(t *testing.T) {
	settle(t, 1)
	synctest.Test(t, func(t *testing.T) {
		w := weather{sites: 3}
		m := New(t, Config{Seed: 1, Sites: w.sites, Model: 8_000, Shard: 500, Train: w.train, Line: w.line})
		c := &churn{weather: w, t: t, m: m}
		open := func(name string) {
			reply, err := m.Sites[0].Node.Site().OpenRun(t.Context(), api.RunRequest{Init: true, Spec: ledger.RunSpec{Name: name, Rounds: 2}})
			if err != nil {
				t.Fatal(err)
			}
			c.run = reply.Run
		}
		for _, s := range m.Sites {
			s.Start()
		}
		c.await("all sites connected", time.Minute, func() bool { return c.status(m.Sites[0]).Up == w.sites })
		open("first")
		c.await("a run", time.Minute, func() bool { return c.rounds() == 2 && c.same() })
		var newest string
		for _, s := range m.Sites[1:] {
			s.Stop()
			newest = s.Snapshot()
			if err := os.Remove(filepath.Join(s.Dir, site.LogFile)); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range m.Sites[1:] {
			s.Start()
		}
		for _, s := range m.Sites {
			c.await("it is said at "+s.Name, time.Minute, func() bool { return strings.Contains(c.status(s).Problem, "2 of 3 sites do not vote") })
		}
		m.Sites[2].Stop()
		m.Sites[2].PutBack(newest)
		m.Sites[2].Start()
		c.await("all sites connected", time.Minute, func() bool { return c.status(m.Sites[0]).Up == w.sites })
		c.await("two that vote", time.Minute, func() bool { return !strings.Contains(c.status(m.Sites[0]).Problem, "do not vote") })
		open("second")
		c.await("another run", 2*time.Minute, func() bool { return c.rounds() == 2 && c.same() })
		for _, s := range m.Sites {
			c.await("no problem at "+s.Name, time.Minute, func() bool { return c.status(s).Problem == "" })
		}
	})
}
