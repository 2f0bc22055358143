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
)

// TestTwoMachinesWithOneKey: a site's directory is copied, and both are started. The other sites say so, and each of the two machines
// asks whether it is so, when it has no place in the mesh.
func TestTwoMachinesWithOneKey(t *testing.T) {
	settle(t, 1)
	synctest.Test(t, func(t *testing.T) {
		w := weather{sites: 4}
		m := New(t, Config{Seed: 1, Sites: w.sites, Model: 8_000, Shard: 500, Train: w.train, Line: w.line})
		c := &churn{weather: w, t: t, m: m}
		for _, s := range m.Sites {
			s.Start()
		}
		c.await("all sites connected", time.Minute, func() bool { return c.status(m.Sites[0]).Up == w.sites })
		one := m.Sites[3]
		one.Stop()
		two := m.init(filepath.Dir(one.Dir))
		if err := os.RemoveAll(two.Dir); err != nil {
			t.Fatal(err)
		}
		if err := copyDir(two.Dir, one.Dir); err != nil {
			t.Fatal(err)
		}
		two.ID = one.ID
		one.Start()
		two.Start()
		if _, err := m.Sites[0].Node.Site().OpenRun(t.Context(), api.RunRequest{Init: true, Spec: ledger.RunSpec{Name: "twins", Rounds: 8}}); err != nil {
			t.Fatal(err)
		}
		says := func(s *Site, text string) bool { return strings.Contains(c.status(s).Problem, text) }
		others, asks := false, map[*Site]bool{}
		c.await("it is said", 3*time.Minute, func() bool {
			others = others || says(m.Sites[0], "two machines use the key of "+one.Name)
			for _, s := range []*Site{one, two} {
				asks[s] = asks[s] || says(s, "this site's key")
			}
			return others && len(asks) == 2 && asks[one] && asks[two]
		})
	})
}
