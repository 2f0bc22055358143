package blockstore

import (
	"slices"

	"github.com/weft-mesh/weft/block"
)

// place is where a shard can be read: an item and an index in it.
type place struct {
	item  *item
	shard int
}

// shardIndex finds shards by CID. Few shards lie in more than one item, so the first place
// of each costs no slice.
type shardIndex struct {
	first map[block.CID]place
	more  map[block.CID][]place
}

func newShardIndex() shardIndex {
	return shardIndex{make(map[block.CID]place), make(map[block.CID][]place)}
}

func (x *shardIndex) find(c block.CID) (place, bool) {
	p, ok := x.first[c]
	return p, ok
}

// add notes a place of a shard; of several in one item it keeps the first.
func (x *shardIndex) add(c block.CID, p place) {
	first, ok := x.first[c]
	if !ok {
		x.first[c] = p
		return
	}
	same := func(q place) bool { return q.item == p.item }
	if !same(first) && !slices.ContainsFunc(x.more[c], same) {
		x.more[c] = append(x.more[c], p)
	}
}

// remove forgets the shard's place in the item.
func (x *shardIndex) remove(c block.CID, it *item) {
	more := slices.DeleteFunc(x.more[c], func(p place) bool { return p.item == it })
	if x.first[c].item == it {
		delete(x.first, c)
		if len(more) > 0 {
			x.first[c], more = more[0], more[1:]
		}
	}
	if len(more) > 0 {
		x.more[c] = more
	} else {
		delete(x.more, c)
	}
}
