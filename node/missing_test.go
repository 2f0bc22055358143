package node

import (
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
)

// A site that takes part and is in none of the newest seals is a problem at every site, and is gone again when it is back.
func TestMissingSiteIsAProblem(t *testing.T) {
	sites := newTestMesh(t, 4, nil)
	for i, s := range sites {
		s.up(sites[:i]...)
	}
	run := sites[0].start(ledger.RunSpec{Name: "r", Rounds: 1000})
	for _, s := range sites {
		s.awaitRounds(run, 1)
	}
	gone := sites[3]
	gone.down()
	for _, s := range sites[:3] {
		st := s.await("the alarm", func(st *api.Status) bool { return st.Problem != "" && len(st.Runs[0].Missing) > 0 })
		if m := st.Runs[0].Missing[0]; m.Site != gone.name || m.Seals < 2 || m.Since == 0 || !strings.Contains(m.Why, "away since "+time.Now().Format("2006")) {
			t.Errorf("%s: missing %+v", s.name, m)
		}
		if !strings.Contains(st.Problem, "goes on without "+gone.name) {
			t.Errorf("%s: problem %q", s.name, st.Problem)
		}
	}
	gone.up(sites[:3]...)
	sites[0].await("no alarm", func(st *api.Status) bool { return st.Problem == "" && len(st.Runs[0].Missing) == 0 })
}
