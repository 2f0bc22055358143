package blockstore

import (
	"bytes"
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// item is an artifact in the store: a file, and what is known of it. Once the item can be found,
// the catalog's mutex guards the fields below the line; the others never change.
type item struct {
	cid      block.CID // the manifest's; zero while a Builder's
	manifest Manifest  // without shards while a Builder's; empty if damaged
	cut      *tensor.Cut
	// ----
	state  State
	path   string      // of the file
	offset int64       // of the data in it
	shards []block.CID // the manifest's, or those that a Builder has so far
	have   bitmap      // shards in the file, unless complete
	bytes  uint64      // their size
	finite bool        // all that are in it were checked to be finite, unless complete
	filler *filling    // of the Writer that fills it, if any
}

// newItem returns an item that holds nothing yet.
func newItem(c block.CID, m Manifest, cut *tensor.Cut) *item {
	it := &item{cid: c, manifest: m, cut: cut, state: Partial, shards: m.Shards, have: newBitmap(cut.Len())}
	it.finite = true // as nothing is in it
	if !c.Defined() {
		it.shards = make([]block.CID, cut.Len())
	}
	return it
}

// newDamaged returns an item of a file that nobody can read without manifest and layout.
func newDamaged(c block.CID, path string) *item { return &item{cid: c, state: Damaged, path: path} }

// holds reports whether shard i is in the file.
func (it *item) holds(i int) bool {
	return it.state == Complete || it.state == Partial && it.have.has(i)
}

// missing returns the shards that are not in the file, each once, in the artifact's order.
func (it *item) missing() []block.CID {
	var cs []block.CID
	seen := make(map[block.CID]bool)
	for i, c := range it.shards {
		if !it.holds(i) && !seen[c] {
			seen[c] = true
			cs = append(cs, c)
		}
	}
	return cs
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

// lie says where the item's file is, and where the data is in it.
func (it *item) lie(path string, offset int64) { it.path, it.offset = path, offset }

// share takes a layout that is in memory already for the item's own, which is equal.
func (it *item) share(l tensor.Layout) { it.cut = it.cut.Sharing(l) }

// claim sets the CID of a Builder's shard, for good.
func (it *item) claim(i int, c block.CID) error {
	if before := it.shards[i]; before.Defined() && before != c {
		return fmt.Errorf("shard %d: %w: it has other bytes already", i, tensor.ErrInvalid)
	}
	it.shards[i] = c
	return nil
}

// add notes that shard i is in the file, and reports whether it was not before.
func (it *item) add(i int) bool {
	if it.have.has(i) {
		return false
	}
	it.have.add(i)
	it.bytes += uint64(it.cut.Shard(i).Bytes)
	return true
}

// remove notes that shard i of a partial item is not in the file, and reports whether it was before.
func (it *item) remove(i int) bool {
	if !it.have.has(i) {
		return false
	}
	it.have.remove(i)
	it.bytes -= uint64(it.cut.Shard(i).Bytes)
	return true
}

// complete makes the item one with all shards in the file at path.
func (it *item) complete(path string, offset int64) {
	it.state = Complete
	it.lie(path, offset)
	it.have, it.bytes = nil, 0
}

// reopen makes a complete item one that holds no shards, its file now at path.
func (it *item) reopen(path string) {
	it.state, it.path, it.have, it.bytes, it.finite = Partial, path, newBitmap(len(it.shards)), 0, false
}

// gone marks a Builder's item, or that of an imported file, whose file is another's now.
func (it *item) gone() { it.state = Complete }

// checked says whether all elements in the file are known to be finite.
func (it *item) checked(finite bool) { it.finite = finite }

// fill attaches a Writer.
func (it *item) fill(f *filling) { it.filler = f }

// unfill detaches a Writer, if it is the one attached.
func (it *item) unfill(f *filling) {
	if it.filler == f {
		it.filler = nil
	}
}

// overtake detaches the Writer, as the artifact is complete without it.
func (it *item) overtake() {
	if it.filler != nil {
		it.filler.overtake()
		it.filler = nil
	}
}

// durable returns the shards that survive a crash. What is written from now on in the stead of
// one that is not among them does not yet.
func (it *item) durable() bitmap {
	held := it.have.clone()
	if it.filler != nil {
		for i := range it.shards {
			if !it.filler.durable.has(i) {
				held.remove(i)
			}
		}
		it.filler.synced(held.clone())
	}
	return held
}

// unsynced returns the record to write if something was written since the last one.
func (it *item) unsynced(f *filling) (record, bool) {
	if f.ended || f.done || it.state != Partial || bytes.Equal(it.have, f.durable) {
		return record{}, false
	}
	return record{it.cid, it.finite, it.have.clone()}, true
}

// frame gives a file the item's header and size; what is not written yet is a hole, which
// takes no room. It goes before every fsync until one succeeds, as a failed one may have
// dropped it.
func (it *item) frame(f file) error {
	if _, err := f.WriteAt(it.cut.HeaderOfSize(it.offset), 0); err != nil {
		return err
	}
	return f.Truncate(it.offset + int64(it.cut.Bytes()))
}

// filling is what an item and the Writer that fills it both know. The catalog's mutex guards it.
type filling struct {
	ended   bool
	done    bool   // the artifact is complete without this Writer
	durable bitmap // shards that survive a crash
	pending uint64 // bytes written after that
}

// begin starts from the shards that survive a crash.
func (f *filling) begin(durable bitmap) { f.durable = durable }

func (f *filling) overtake() { f.done = true }

// wrote returns how many bytes were written since the last sync.
func (f *filling) wrote(n uint64) uint64 {
	f.pending += n
	return f.pending
}

// syncing starts to count anew.
func (f *filling) syncing() { f.pending = 0 }

// synced notes what survives a crash.
func (f *filling) synced(held bitmap) { f.durable = held }

// end reports whether it is the first.
func (f *filling) end() bool {
	first := !f.ended
	f.ended = true
	return first
}
