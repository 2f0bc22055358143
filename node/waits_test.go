package node

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/peerlog"
)

// A run that has all updates and waits since one of them does not count says so, why, and what ends the wait.
func TestWaitsForWhatCounts(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, takesTime)
	upAll(sites)
	h, err := site.Open(sites[3].dir)
	if err != nil {
		t.Fatal(err)
	}
	vote := func(s string) *ledger.Signed {
		mesh := h.Genesis.Block().CID
		return ledger.Sign(mesh, h.ID, ledger.KindPrevote, &ledger.Vote{Height: 1, View: 60, Entry: block.Sum(block.DagCBOR, []byte(s))}, func(data []byte) []byte { return sign(h.Key, data) })
	}
	proof := &round.Message{Attempt: 1, Evidence: &peerlog.Evidence{A: *vote("a"), B: *vote("b")}}
	run := sites[0].start(ledger.RunSpec{Name: "restore", Rounds: 1, MinSites: 4})
	sites[0].node.box.deliver(t.Context(), round.Received{From: sites[1].id, Message: proof}) // which tells the others
	st := sites[0].await("why it waits", func(s *api.Status) bool {
		return strings.Contains(runOf(s, run).Waits, "updates that count: 3 of the 4 needed are here")
	})
	for _, text := range []string{"that of d does not count: it has signed two statements for one place", "weft roster replace d=PEERID", "weft run stop"} {
		if waits := runOf(st, run).Waits; !strings.Contains(waits, text) {
			t.Errorf("waits for %q, not for %q", waits, text)
		}
	}
	if got := runOf(st, run).Useless; len(got) != 1 || got["d"] == "" {
		t.Errorf("useless: %v", got)
	}
}
