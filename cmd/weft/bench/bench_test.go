package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/cmd/weft/term"
	"github.com/weft-mesh/weft/node/api"
)

func TestSummary(t *testing.T) {
	run := block.Of("run").CID
	status := func(site string, took, training time.Duration) *api.Status {
		return &api.Status{Site: site, Memory: 50_000_000, Sent: 1000, Runs: []api.RunStatus{{ID: run, History: []api.RoundStatus{
			{Took: took, Phases: map[api.Phase]time.Duration{api.PhaseTraining: training}},
			{Took: 3 * took, Phases: map[api.Phase]time.Duration{api.PhaseReducing: training}},
		}}}}
	}
	r := summarise(Config{Sites: 2, Bytes: 50e6, Rounds: 2}, []*api.Status{status("a", time.Second, 500*time.Millisecond), status("b", 2*time.Second, 250*time.Millisecond)}, run)
	if len(r.Rounds) != 2 || r.Rounds[0].Took != 2*time.Second || r.Rounds[0].Phases[api.PhaseTraining] != 500*time.Millisecond || len(r.Nodes) != 2 {
		t.Fatalf("got %+v", r)
	}
	text := r.Text(term.New(&bytes.Buffer{}))
	for _, want := range []string{"2 sites, an update of 50.0 MB", "median", "2.00", "6.00", "50.0 MB  1.0 kB"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Config{Sites: 4, Bytes: 1, Rounds: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{}, {Sites: 65, Bytes: 1, Rounds: 1}, {Sites: 1, Rounds: 1}, {Sites: 1, Bytes: 1}, {Sites: 1, Bytes: 1, Rounds: 1, Train: -1}} {
		if c.Validate() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
