package blockstore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// catalog is which artifacts are in the store, and where their shards lie.
//
// Its mutex guards the catalog, its items and their fillings. Artifacts' files are opened and
// renamed under it, so that a path is never stale between looking it up and opening it; it is held
// for no longer than such a system call.
type catalog struct {
	files *folder

	mu      sync.RWMutex
	closed  bool
	items   map[block.CID]*item
	layouts map[block.CID]layoutUse
	shards  shardIndex
}

// layoutUse is a layout, and how many items have it.
type layoutUse struct {
	layout tensor.Layout
	items  int
}

func newCatalog(files *folder) *catalog {
	return &catalog{
		files:   files,
		items:   make(map[block.CID]*item),
		layouts: make(map[block.CID]layoutUse),
		shards:  newShardIndex(),
	}
}

// put notes that shard i is in the item's file. Callers hold mu.
func (c *catalog) put(it *item, i int) {
	if it.add(i) {
		c.shards.add(it.shards[i], place{it, i})
	}
}

// take notes that shard i of a partial item is not in its file. Callers hold mu.
func (c *catalog) take(it *item, i int) {
	if !it.remove(i) {
		return
	}
	lost := it.shards[i]
	c.shards.remove(lost, it)
	for j, d := range it.shards { // the same bytes may lie elsewhere in it
		if d == lost && it.have.has(j) {
			c.shards.add(lost, place{it, j})
			return
		}
	}
}

// complete makes the item one with all shards in the file at path. Callers hold mu.
func (c *catalog) complete(it *item, path string, offset int64) {
	it.complete(path, offset)
	for i, s := range it.shards {
		c.shards.add(s, place{it, i})
	}
}

// register puts the item among the artifacts, which keeps its manifest and layout from being
// deleted. Callers hold mu.
func (c *catalog) register(it *item) {
	c.items[it.cid] = it
	if it.state == Damaged {
		return
	}
	use, ok := c.layouts[it.manifest.Layout]
	if !ok {
		use = layoutUse{layout: it.cut.Layout()}
	}
	it.share(use.layout)
	c.layouts[it.manifest.Layout] = layoutUse{use.layout, use.items + 1}
}

// forget takes the item out of the store's memory. Callers hold mu.
func (c *catalog) forget(it *item) {
	for _, s := range it.shards {
		c.shards.remove(s, it)
	}
	if c.items[it.cid] != it {
		return
	}
	delete(c.items, it.cid)
	if use := c.layouts[it.manifest.Layout]; use.items > 1 {
		c.layouts[it.manifest.Layout] = layoutUse{use.layout, use.items - 1}
	} else {
		delete(c.layouts, it.manifest.Layout)
	}
}

// found registers an item whose file was there when the store opened: a complete or damaged one,
// or a partial one with the shards that it has.
func (c *catalog) found(it *item, state State, have bitmap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.register(it)
	switch state {
	case Complete:
		c.complete(it, it.path, it.offset)
	case Partial:
		for i := range it.shards {
			if have.has(i) {
				c.put(it, i)
			}
		}
	}
}

// reserve returns the store's item of an artifact. If there is none, it registers the one
// given, so that manifest and layout are not deleted while its file is made; a damaged one in
// whose stead that is comes back too. What a Writer fills, if given, is attached.
func (c *catalog) reserve(it *item, f *filling) (_, damaged *item, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.items[it.cid]
	switch {
	case c.closed:
		return nil, nil, ErrClosed
	case old == nil:
	case f != nil && old.filler != nil:
		return nil, nil, ErrBusy
	case old.state == Damaged:
		damaged = old
		c.forget(old)
	default:
		it = old
	}
	if it != old {
		c.register(it)
	}
	switch {
	case f == nil:
	case it.state == Complete:
		f.overtake()
	default:
		it.fill(f)
	}
	return it, damaged, nil
}

// unreserve undoes reserve after a failure, and reports whether the item is to be dropped. The file
// of a damaged artifact is kept, unless a new one was begun from it.
func (c *catalog) unreserve(it, damaged *item, f *filling, fresh bool) (drop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	it.unfill(f) // if it is another's, that one goes on
	if damaged != nil && it.path == "" {
		c.forget(it)
		c.register(damaged)
		return false
	}
	return fresh
}

// moveIn renames a file to be that of an artifact, which it completes.
func (c *catalog) moveIn(from, it *item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.files.artifactPath(it.cid)
	if err := c.files.fs.Rename(from.path, to); err != nil {
		return err
	}
	it.overtake() // the Writer's file is not the artifact's any more
	c.complete(it, to, from.offset)
	c.forget(from)
	from.gone()
	return nil
}

// promote moves the file of a partial artifact that has all shards, durably, to those of the
// complete ones. It is durable itself after the folder's settle.
func (c *catalog) promote(it *item) error {
	to := c.files.artifactPath(it.cid)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.files.fs.Rename(c.files.partialPath(it.cid), to); err != nil {
		return err
	}
	c.complete(it, to, it.offset)
	return nil
}

// lose takes bad shards out of an item. It returns what the item was: of a partial one with the
// record that is to be written, of a complete one with the shards that are still good, as it needs
// demote. It returns no state where nothing is to be done.
func (c *catalog) lose(it *item, bad []int) (State, record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.items[it.cid] == it
	r := record{it.cid, it.finite, nil}
	switch {
	case it.state == Partial && (current || !it.cid.Defined()): // else deleted meanwhile
		for _, i := range bad {
			c.take(it, i)
		}
		r.Held = it.durable()
	case it.state == Complete:
		r.Held = without(len(it.shards), bad)
	}
	if !current || it.state == Damaged { // deleted meanwhile, or a Builder's
		return "", record{}
	}
	return it.state, r
}

// without returns all n shards but the bad ones.
func without(n int, bad []int) bitmap {
	held := newBitmap(n)
	for i := range n {
		held.add(i)
	}
	for _, i := range bad {
		held.remove(i)
	}
	return held
}

// demote makes a complete artifact a partial one that holds the given shards, by rename.
func (c *catalog) demote(it *item, held bitmap) error {
	from, to := c.files.artifactPath(it.cid), c.files.partialPath(it.cid)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.files.fs.Rename(from, to); err != nil {
		return err
	}
	for _, s := range it.shards {
		c.shards.remove(s, it)
	}
	it.reopen(to)
	for i := range it.shards {
		if held.has(i) {
			c.put(it, i)
		}
	}
	return nil
}

// abandon ends a complete artifact that could not be demoted, so that nobody takes it for
// good: its file vanished, or the disk fails.
func (c *catalog) abandon(it *item, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(it)
	c.register(newDamaged(it.cid, it.path))
	return fmt.Errorf("artifact %s: %w", it.cid, err)
}

// remove forgets an item and moves its file out of the way, to temp. If that fails, all is as it was.
func (c *catalog) remove(it *item, temp string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if it.path != "" {
		if err := c.files.fs.Rename(it.path, temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	c.forget(it)
	return nil
}

// lookup returns the item of an artifact, nil if there is none, and whether a Writer fills it.
func (c *catalog) lookup(manifest block.CID) (it *item, busy bool, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return nil, false, ErrClosed
	}
	it = c.items[manifest]
	return it, it != nil && it.filler != nil, nil
}

// completes reports whether the item is the artifact's and complete.
func (c *catalog) completes(it *item) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.items[it.cid] == it && it.state == Complete
}

// lies reports whether the item is complete and its file is where the opened artifact has it.
func (c *catalog) lies(a *Artifact) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	it := c.items[a.CID]
	return it != nil && it.state == Complete && it.path == a.path && it.offset == a.offset
}

// pathOf returns where the item's file is.
func (c *catalog) pathOf(it *item) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return it.path
}

// uses reports whether a block is the manifest or layout of an artifact.
func (c *catalog) uses(b block.CID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.items[b] != nil || c.layouts[b].items > 0
}

// deletable returns ErrInUse if one of the blocks is the manifest or layout of an artifact.
func (c *catalog) deletable(bs []block.CID) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	for _, b := range bs {
		if c.items[b] != nil || c.layouts[b].items > 0 {
			return fmt.Errorf("delete %s: %w", b, ErrInUse)
		}
	}
	return nil
}

// block returns a manifest or layout as it follows from what is in memory.
func (c *catalog) block(b block.CID) (block.Block, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if it := c.items[b]; it != nil && it.state != Damaged {
		return it.manifest.Block(), true
	}
	if use, ok := c.layouts[b]; ok {
		return use.layout.Block(), true
	}
	return block.Block{}, false
}

// layout returns a layout that an artifact has.
func (c *catalog) layout(b block.CID) (tensor.Layout, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	use, ok := c.layouts[b]
	return use.layout, ok
}

func (c *catalog) hasShard(s block.CID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.shards.find(s)
	return ok
}

// openShard opens the file in which a shard lies.
func (c *catalog) openShard(s block.CID) (f file, offset int64, size int, at *place, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return nil, 0, 0, nil, ErrClosed
	}
	p, ok := c.shards.find(s)
	if !ok {
		return nil, 0, 0, nil, ErrNotFound
	}
	shard := p.item.cut.Shard(p.shard)
	f, err = c.files.fs.Open(p.item.path, false)
	return f, p.item.offset + int64(shard.Offset), shard.Bytes, &p, err
}

// openItem opens the file of an item of which shard i is to be read.
func (c *catalog) openItem(it *item, i int) (f file, path string, offset int64, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.closed:
		return nil, "", 0, ErrClosed
	case c.items[it.cid] != it || !it.holds(i):
		return nil, "", 0, ErrNotFound
	}
	f, err = c.files.fs.Open(it.path, false)
	return f, it.path, it.offset, err
}

// open opens a complete artifact.
func (c *catalog) open(manifest block.CID) (*Artifact, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	it := c.items[manifest]
	switch {
	case c.closed:
		return nil, ErrClosed
	case it == nil:
		return nil, fmt.Errorf("artifact %s: %w", manifest, ErrNotFound)
	case it.state != Complete:
		i := it.info()
		return nil, fmt.Errorf("artifact %s: %s, %d of %d shards: %w", manifest, i.State, i.Held, i.Shards, ErrIncomplete)
	}
	f, err := c.files.fs.Open(it.path, false)
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", manifest, err)
	}
	return &Artifact{manifest, it.manifest, it.cut.Layout(), it.cut, it.path, f, it.offset}, nil
}

// infos lists the artifacts, ordered by CID.
func (c *catalog) infos() []Info {
	c.mu.RLock()
	defer c.mu.RUnlock()
	infos := make([]Info, 0, len(c.items))
	for _, it := range c.items {
		infos = append(infos, it.info())
	}
	slices.SortFunc(infos, func(a, b Info) int { return a.Manifest.Compare(b.Manifest) })
	return infos
}

func (c *catalog) close() (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.closed
	c.closed = true
	return first
}
