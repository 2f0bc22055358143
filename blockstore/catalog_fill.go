package blockstore

import "github.com/weft-mesh/weft/block"

// What Writers and Builders tell the catalog, and ask it.

// begin readies an item, whose file is there, to be filled. salvaged says that no record tells of
// what was found in the file, finite that only finite elements will be written.
func (c *catalog) begin(it *item, f *filling, salvaged, finite bool) (offset int64, framed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	durable := it.have.clone()
	if salvaged {
		durable = newBitmap(len(it.shards))
	}
	f.begin(durable)
	it.checked(it.finite && finite)
	return it.offset, durable.count() > 0
}

// place says where the file of an item is, and where the data is in it.
func (c *catalog) place(it *item, path string, offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	it.lie(path, offset)
}

// checked says whether all elements in an item's file are known to be finite.
func (c *catalog) checked(it *item, finite bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	it.checked(finite)
}

// unchecked opens the file of an item that may hold elements that are not finite, with the shards
// to look at: all if there is no bitmap. There is no file where all were looked at before.
func (c *catalog) unchecked(it *item, f *filling) (opened file, have bitmap, offset int64, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if it.finite && !f.done {
		return nil, nil, 0, nil
	}
	if c.items[it.cid] != it { // deleted meanwhile
		return nil, nil, 0, ErrNotFound
	}
	have, offset = it.have.clone(), it.offset
	opened, err = c.files.fs.Open(it.path, false)
	return opened, have, offset, err
}

// standing is where a Writer stands.
type standing struct {
	ended, done bool
	state       State // of the item
	missing     []block.CID
}

func (c *catalog) standing(it *item, f *filling) standing {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if f.done {
		return standing{f.ended, true, it.state, nil}
	}
	return standing{f.ended, false, it.state, it.missing()}
}

// wants returns which of the places of a shard are not yet written.
func (c *catalog) wants(it *item, f *filling, at []int) ([]int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case f.ended:
		return nil, ErrClosed
	case len(at) == 0:
		return nil, ErrForeign
	case f.done:
		return nil, nil
	}
	var todo []int
	for _, i := range at {
		if !it.holds(i) {
			todo = append(todo, i)
		}
	}
	return todo, nil
}

// wrote notes shards of size bytes each, and returns how many bytes were written since the last sync.
func (c *catalog) wrote(it *item, f *filling, at []int, size uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.done {
		return 0
	}
	for _, i := range at {
		c.put(it, i)
	}
	return f.wrote(size * uint64(len(at)))
}

// syncing returns the record of what is to be made durable, and whether there is anything.
func (c *catalog) syncing(it *item, f *filling) (record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := it.unsynced(f)
	if ok {
		f.syncing()
	}
	return r, ok
}

// synced notes which shards are durable. If making them so failed, they are missing again: after a
// failed fsync the kernel may have dropped the pages and forgotten the failure.
func (c *catalog) synced(it *item, f *filling, held bitmap, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !failed {
		f.synced(held)
		return
	}
	for i := range it.shards {
		if !f.durable.has(i) {
			c.take(it, i)
		}
	}
}

// detach ends the filling of an item, nil if it got none, and reports whether it is the first to.
func (c *catalog) detach(it *item, f *filling) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if it != nil {
		it.unfill(f)
	}
	return f.end()
}

// claim sets the CID of a Builder's shard.
func (c *catalog) claim(it *item, i int, s block.CID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return it.claim(i, s)
}

// add notes that shard i is in the item's file.
func (c *catalog) add(it *item, i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(it, i)
}

// counts returns how many shards of how many are in the item's file.
func (c *catalog) counts(it *item) (held, of int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return it.have.count(), len(it.shards)
}

// unwrite takes all shards for missing, as after a failed fsync nobody knows what the disk has.
func (c *catalog) unwrite(it *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range it.shards {
		c.take(it, i)
	}
}

// moved reports whether the item's file is that of an artifact by now.
func (c *catalog) moved(it *item) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return it.state == Complete
}

// leave takes a Builder's item out.
func (c *catalog) leave(it *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(it)
}
