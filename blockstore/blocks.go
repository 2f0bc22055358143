package blockstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/weft-mesh/weft/block"
)

// blocks is those that were put, a file each.
type blocks struct {
	files  *folder
	locks  keyedMutex   // one change of a block's file at a time
	fanned [fanOut]bool // directories that exist; the block's lock guards each

	mu     sync.RWMutex // guards what follows; files are opened and removed under it
	closed bool
	sizes  map[block.CID]int64
	bytes  uint64 // sum of sizes
}

func newBlocks(files *folder) *blocks {
	return &blocks{files: files, sizes: make(map[block.CID]int64)}
}

// put stores a block, durable on return.
func (b *blocks) put(x block.Block) error {
	if len(x.Data) > block.MaxSize {
		return fmt.Errorf("put %s: %d bytes: %w: at most %d", x.CID, len(x.Data), ErrTooLarge, block.MaxSize)
	}
	if err := x.CID.Verify(x.Data); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	defer b.locks.lock(x.CID)()
	b.mu.RLock()
	_, held := b.sizes[x.CID]
	closed := b.closed
	b.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	if held {
		return nil
	}
	err := b.fan(x.CID)
	if err == nil && len(x.Data) > smallWrite {
		err = b.files.claim(len(x.Data))
	}
	if err == nil {
		err = b.files.writeFile(b.files.blockPath(x.CID), b.files.tempPath(), x.Data)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", x.CID, err)
	}
	b.note(x.CID, int64(len(x.Data)))
	return nil
}

// rewrite replaces the file of a block that is held and went bad.
func (b *blocks) rewrite(x block.Block) error {
	defer b.locks.lock(x.CID)()
	return b.files.writeFile(b.files.blockPath(x.CID), b.files.tempPath(), x.Data)
}

// note adds a block whose file is there to those held.
func (b *blocks) note(c block.CID, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes[c] = size
	b.bytes += uint64(size)
}

// fan makes the directory of a block. Callers have the block's lock.
func (b *blocks) fan(c block.CID) error {
	first := c.Digest()[0]
	if b.fanned[first] {
		return nil
	}
	if err := b.files.fs.MkdirAll(b.files.fanPath(int(first))); err != nil {
		return full(err)
	}
	if err := b.files.fs.SyncDir(b.files.path(blockDir)); err != nil {
		return full(err)
	}
	b.fanned[first] = true
	return nil
}

// load notes the blocks of a directory when the store opens: the first byte of their digests, and
// their sizes.
func (b *blocks) load(first byte, sizes map[block.CID]int64) {
	b.fanned[first] = true
	for c, size := range sizes {
		b.note(c, size)
	}
}

func (b *blocks) has(c block.CID) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.sizes[c]
	return ok
}

// open opens a block's file, and returns its size. It returns ErrNotFound for one not held.
func (b *blocks) open(c block.CID) (file, int, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	n, ok := b.sizes[c]
	switch {
	case b.closed:
		return nil, 0, ErrClosed
	case !ok:
		return nil, 0, ErrNotFound
	}
	f, err := b.files.fs.Open(b.files.blockPath(c), false)
	return f, int(n), err
}

// remove removes the blocks that are not in use. A block that is used next after inUse said that it
// is not is put after that, and so waits for the block's lock and is written anew.
func (b *blocks) remove(cs []block.CID, inUse func(block.CID) bool) error {
	dirs := make(map[string]bool)
	var errs []error
	for _, c := range cs {
		fanned, err := b.removeOne(c, inUse)
		if err != nil {
			errs = append(errs, fmt.Errorf("delete %s: %w", c, full(err)))
		}
		if fanned { // even if the block is not there: syncing may have failed when it was removed
			dirs[filepath.Dir(b.files.blockPath(c))] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := b.files.fs.SyncDir(dir); err != nil {
			errs = append(errs, fmt.Errorf("delete: %w", full(err)))
		}
	}
	return errors.Join(errs...)
}

// removeOne removes a block, and reports whether its directory exists.
func (b *blocks) removeOne(c block.CID, inUse func(block.CID) bool) (fanned bool, err error) {
	defer b.locks.lock(c)()
	fanned = b.fanned[c.Digest()[0]]
	if inUse(c) {
		return fanned, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	size, held := b.sizes[c]
	if !held {
		return fanned, nil
	}
	if err := b.files.discard(b.files.blockPath(c)); err != nil {
		return fanned, err
	}
	delete(b.sizes, c)
	b.bytes -= uint64(size)
	return fanned, nil
}

// all yields the blocks and their sizes.
func (b *blocks) all() iter.Seq2[block.CID, int64] {
	return func(yield func(block.CID, int64) bool) {
		b.mu.RLock()
		all := maps.Clone(b.sizes) // the loop's body may call the store
		b.mu.RUnlock()
		for c, size := range all {
			if !yield(c, size) {
				return
			}
		}
	}
}

// stat returns how many blocks there are, and their size.
func (b *blocks) stat() (int, uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.sizes), b.bytes
}

func (b *blocks) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// damage reports whether an error of reading means that the bytes are not there any more.
func damage(err error) bool {
	return errors.Is(err, block.ErrMismatch) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, fs.ErrNotExist) || badSector(err)
}
