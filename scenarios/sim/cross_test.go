package sim

import (
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// TestCrossEvaluation: in a mesh that loses messages, with a liar and a site that crashes, each honest site measures every update
// of the last seal but that of the site that lets nobody; the world holds that nothing else is said of them.
func TestCrossEvaluation(t *testing.T) {
	for seed := range uint64(3) {
		p := lie(t, 5, 1, "metric-liar", seed, func(c *Config) {
			work := &Synthetic{Bytes: 1e6, Time: 10 * time.Second, Figures: true}
			spec := work.Spec("crossed", 3)
			spec.Selection = ledger.NewSelection(ledger.Terms{Cross: ledger.CrossLast})
			c.Workload, c.Protocol, c.Acts = work, ledger.CrossProtocol, []Act{{At: 3 * time.Second, Do: runs.OpenRun{Spec: spec}}}
			c.Sites[1].Unlent = true
			c.Plan = []Fault{{At: 20 * time.Second, Kind: Crash, Sites: []int{2}, For: 10 * time.Second}}
		})
		p.agreed()
		r := p.Machine(0).Ledger().Runs()[0]
		if r.Closing == nil {
			t.Fatalf("seed %d: no closing entry", seed)
		}
		rows := r.Closing.Cross()
		sealed := r.Commits[len(r.Commits)-1].Sealed.Updates
		for _, i := range p.honest() {
			for j := range sealed {
				found := false
				for _, row := range rows[p.ID(i)] {
					found = found || row.Site == sealed[j].Update.From
				}
				if want := sealed[j].Update.From != p.ID(1) || i == 1; found != want {
					t.Errorf("seed %d: site %d measured update %d: %v, want %v", seed, i, j, found, want)
				}
			}
		}
	}
}
