package blockstore

import (
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// item is an artifact in the store: a file, and what is known of it. The store's mutex guards
// the fields below the line; the others never change.
type item struct {
	cid      block.CID // the manifest's; zero while a Builder's
	manifest Manifest  // without shards while a Builder's; empty if damaged
	layout   tensor.Layout
	cut      *tensor.Cut
	// ----
	state  State
	path   string      // of the file
	offset int64       // of the data in it
	shards []block.CID // the manifest's, or those that a Builder has so far
	have   bitmap      // shards in the file, unless complete
	bytes  uint64      // their size
	finite bool        // all that are in it were checked to be finite, unless complete
	writer *Writer
}

// layoutUse is a layout, and how many items have it.
type layoutUse struct {
	layout tensor.Layout
	items  int
}

// newItem returns an item that holds nothing yet.
func newItem(c block.CID, m Manifest, l tensor.Layout, cut *tensor.Cut) *item {
	it := &item{cid: c, manifest: m, layout: l, cut: cut, state: Partial, shards: m.Shards, have: newBitmap(cut.Len())}
	if !c.Defined() {
		it.shards = make([]block.CID, cut.Len())
	}
	return it
}

// holds reports whether shard i is in the file.
func (it *item) holds(i int) bool {
	return it.state == Complete || it.state == Partial && it.have.has(i)
}

// info describes the item.
func (it *item) info() Info {
	i := Info{Manifest: it.cid, Layout: it.manifest.Layout, State: it.state, Shards: len(it.shards)}
	switch it.state {
	case Complete:
		i.Bytes, i.Held = it.cut.Bytes(), len(it.shards)
	case Partial:
		i.Bytes, i.Held = it.bytes, it.have.count()
	}
	return i
}

// put notes that shard i is in the item's file. Callers hold mu.
func (s *store) put(it *item, i int) {
	if it.have.has(i) {
		return
	}
	it.have.add(i)
	it.bytes += uint64(it.cut.Shard(i).Bytes)
	s.shards.add(it.shards[i], place{it, i})
}

// take notes that shard i of a partial item is not in its file. Callers hold mu.
func (s *store) take(it *item, i int) {
	if !it.have.has(i) {
		return
	}
	it.have.remove(i)
	it.bytes -= uint64(it.cut.Shard(i).Bytes)
	c := it.shards[i]
	s.shards.remove(c, it)
	for j, d := range it.shards { // the same bytes may lie elsewhere in it
		if d == c && it.have.has(j) {
			s.shards.add(c, place{it, j})
			return
		}
	}
}

// complete makes the item one with all shards in the file at path. Callers hold mu.
func (s *store) complete(it *item, path string, offset int64) {
	it.state, it.path, it.offset = Complete, path, offset
	it.have, it.bytes = nil, 0
	for i, c := range it.shards {
		s.shards.add(c, place{it, i})
	}
}

// register puts the item among the artifacts, which keeps its manifest and layout from being
// deleted. Callers hold mu.
func (s *store) register(it *item) {
	s.items[it.cid] = it
	if it.state == Damaged {
		return
	}
	use := s.layouts[it.manifest.Layout]
	if use == nil {
		use = &layoutUse{layout: it.layout}
		s.layouts[it.manifest.Layout] = use
	}
	it.layout = use.layout
	use.items++
}

// forget takes the item out of the store's memory. Callers hold mu.
func (s *store) forget(it *item) {
	for _, c := range it.shards {
		s.shards.remove(c, it)
	}
	if s.items[it.cid] != it {
		return
	}
	delete(s.items, it.cid)
	if use := s.layouts[it.manifest.Layout]; use != nil {
		if use.items--; use.items == 0 {
			delete(s.layouts, it.manifest.Layout)
		}
	}
}
