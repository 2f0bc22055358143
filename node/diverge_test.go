package node

import (
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// TestDiverge: a machine that computes one shard wrong is found out by all, itself included, and the mesh goes on
// without it.
func TestDiverge(t *testing.T) {
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
		s.await("the shard named", func(st *Status) bool {
			return strings.Contains(st.Problem, want) && strings.Contains(st.Problem, "1 of 3 shards differ, the first is shard 1 (of ")
		})
	}
	d, wrong := sites[3], block.CID{}
	d.awaitEvent("its wrong model", func(e Event) bool {
		wrong = e.Entry
		return e.Event == "diverged" && e.Step.Site == d.id
	})
	d.await("it to be removed", func(*Status) bool { return !d.node.store.Has(wrong) })
	if data, err := d.node.shelf.Get(wrong); err != nil || !d.node.shelf.Has(wrong) || !d.node.allow(sites[0].id, wrong) {
		t.Errorf("who asks late how it differed is not told: %d bytes, %v", len(data), err)
	}
}

func TestDifference(t *testing.T) {
	l := tensor.Layout{Tensors: []tensor.Tensor{
		{Name: "a", DType: tensor.F32, Shape: []uint64{3}}, {Name: "empty", DType: tensor.F32, Shape: []uint64{0}},
		{Name: "b", DType: tensor.F32, Shape: []uint64{3}}, {Name: "c", DType: tensor.F32, Shape: []uint64{1}},
		{Name: "d", DType: tensor.F32}, {Name: "e", DType: tensor.F32, Shape: []uint64{2}},
	}}
	shards := func(s string) (list []block.CID) {
		for _, r := range s {
			list = append(list, block.Sum(block.Raw, []byte(string(r))))
		}
		return list
	}
	for _, c := range []struct {
		own, theirs string
		elements    uint64
		want        string
	}{
		{"xy", "xz", 5, "1 of 2 shards differ, the first is shard 1 (of b, 2 more, e)"},
		{"xyz", "abc", 4, "3 of 3 shards differ, the first is shard 0 (of a, b)"},
		{"xyz", "xyz", 4, "all shards are the same"},
		{"xyz", "xy", 4, "it is cut into 2 shards of 4 elements, this one into 3 of 4"},
	} {
		m := blockstore.Manifest{ShardElements: c.elements, Shards: shards(c.own)}
		o := blockstore.Manifest{ShardElements: c.elements, Shards: shards(c.theirs)}
		if got := difference(m, o, l); got != c.want {
			t.Errorf("%s and %s: %s, want %s", c.own, c.theirs, got, c.want)
		}
	}
	o := blockstore.Manifest{ShardElements: 4, Shards: shards("xyz")}
	if got := difference(o, blockstore.Manifest{ShardElements: 4, Shards: shards("xya")}, tensor.Layout{}); got != "1 of 3 shards differ, the first is shard 2" {
		t.Error(got)
	}
}
