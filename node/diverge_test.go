package node

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/trace"
)

// TestDiverge: a machine that computes one shard wrong is found out by all, itself included, and the mesh goes on
// without it.
func TestDiverge(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 4, nil)
	sites[3].spoil = func(shard int, data []byte) {
		if shard == 1 {
			data[5] ^= 1
		}
	}
	upAll(sites)
	run := sites[0].start(ledger.RunSpec{Name: "demo", Rounds: 2})
	for _, s := range sites {
		s.awaitRounds(run, 2)
		want := "site d computed another model than this site"
		if s.name == "d" {
			want = "another model than this site"
		}
		s.await("the shard named", func(st *api.Status) bool {
			return strings.Contains(st.Problem, want) && strings.Contains(st.Problem, "1 of 2 shards differ, the first is shard 1 (of ")
		})
	}
	d, wrong := sites[3], block.CID{}
	awaitEvent(d, "its wrong model", func(e trace.Diverged) bool {
		wrong = e.Own
		return e.Site == d.id
	})
	d.await("it to be removed", func(*api.Status) bool { return !d.node.store.Has(wrong) })
	if data, err := d.node.shelf.Get(wrong); err != nil || !d.node.shelf.Has(wrong) || !d.node.gate.allow(sites[0].id, wrong) {
		t.Errorf("who asks late how it differed is not told: %d bytes, %v", len(data), err)
	}
}
