package blockstore_test

import (
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

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
		if got := blockstore.Difference(m, o, l); got != c.want {
			t.Errorf("%s and %s: %s, want %s", c.own, c.theirs, got, c.want)
		}
	}
	o := blockstore.Manifest{ShardElements: 4, Shards: shards("xyz")}
	if got := blockstore.Difference(o, blockstore.Manifest{ShardElements: 4, Shards: shards("xya")}, tensor.Layout{}); got != "1 of 3 shards differ, the first is shard 2" {
		t.Error(got)
	}
}
