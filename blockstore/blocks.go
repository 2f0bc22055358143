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

	"github.com/weft-mesh/weft/block"
)

// Put implements Blocks.
func (s *store) Put(b block.Block) error {
	if len(b.Data) > block.MaxSize {
		return fmt.Errorf("put %s: %d bytes: %w: at most %d", b.CID, len(b.Data), ErrTooLarge, block.MaxSize)
	}
	if err := b.CID.Verify(b.Data); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	defer s.blockLanes.lock(b.CID)()
	s.mu.RLock()
	_, held := s.blocks[b.CID]
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	if held {
		return nil
	}
	err := s.fan(b.CID)
	if err == nil {
		err = s.writeFile(s.blockPath(b.CID), s.tempPath(), b.Data)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", b.CID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[b.CID] = int64(len(b.Data))
	s.blockBytes += uint64(len(b.Data))
	return nil
}

// fan makes the directory of a block. Callers have the block's lane.
func (s *store) fan(c block.CID) error {
	first := c.Digest()[0]
	if s.fanned[first] {
		return nil
	}
	if err := s.fs.MkdirAll(s.fanPath(int(first))); err != nil {
		return full(err)
	}
	if err := s.fs.SyncDir(s.path(blockDir)); err != nil {
		return full(err)
	}
	s.fanned[first] = true
	return nil
}

// Has implements Blocks.
func (s *store) Has(c block.CID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, ok := s.blocks[c]; ok {
		return true
	}
	_, ok := s.shards.find(c)
	return ok
}

// Get implements Blocks.
func (s *store) Get(c block.CID) ([]byte, error) {
	var lost error
	for range maxCopies {
		data, at, err := s.read(c, nil)
		if err == nil {
			err = c.Verify(data)
		}
		if err == nil || !damage(err) {
			return data, err
		}
		// Another copy may still be good.
		if lost = s.lose(c, at, err); !s.Has(c) {
			break
		}
	}
	return nil, lost
}

// maxCopies bounds how many bad copies of a block Get loses in one call, should a disk
// spoil every one that is written anew.
const maxCopies = 8

// read returns a block's bytes and where they lie: the place of a shard, nil for a block
// that was put.
func (s *store) read(c block.CID, buf []byte) ([]byte, *place, error) {
	f, offset, size, at, err := s.locate(c)
	if err != nil {
		return nil, at, fmt.Errorf("block %s: %w", c, err)
	}
	defer f.Close()
	buf = sized(buf, size)
	if err := readFull(f, buf, offset); err != nil {
		return nil, at, fmt.Errorf("block %s: %w", c, err)
	}
	return buf, at, nil
}

// locate opens the file in which a block lies.
func (s *store) locate(c block.CID) (f file, offset int64, size int, at *place, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, 0, 0, nil, ErrClosed
	}
	if n, ok := s.blocks[c]; ok {
		f, err = s.fs.Open(s.blockPath(c), false)
		return f, 0, int(n), nil, err
	}
	p, ok := s.shards.find(c)
	if !ok {
		return nil, 0, 0, nil, ErrNotFound
	}
	shard := p.item.cut.Shard(p.shard)
	f, err = s.fs.Open(p.item.path, false)
	return f, p.item.offset + int64(shard.Offset), shard.Bytes, &p, err
}

// damage reports whether an error of reading means that the bytes are not there any more.
func damage(err error) bool {
	return errors.Is(err, block.ErrMismatch) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, fs.ErrNotExist) || badSector(err)
}

// Delete implements Blocks.
func (s *store) Delete(cs ...block.CID) error {
	if err := s.deletable(cs); err != nil {
		return err
	}
	return s.deleteBlocks(cs)
}

func (s *store) deletable(cs []block.CID) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	for _, c := range cs {
		if s.inUse(c) {
			return fmt.Errorf("delete %s: %w", c, ErrInUse)
		}
	}
	return nil
}

// deleteBlocks removes the blocks that are not in use.
func (s *store) deleteBlocks(cs []block.CID) error {
	dirs := make(map[string]bool)
	var errs []error
	for _, c := range cs {
		fanned, err := s.deleteBlock(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("delete %s: %w", c, full(err)))
		}
		if fanned { // even if the block is not there: syncing may have failed when it was removed
			dirs[filepath.Dir(s.blockPath(c))] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := s.fs.SyncDir(dir); err != nil {
			errs = append(errs, fmt.Errorf("delete: %w", full(err)))
		}
	}
	return errors.Join(errs...)
}

// deleteBlock removes a block, and reports whether its directory exists.
func (s *store) deleteBlock(c block.CID) (fanned bool, err error) {
	defer s.blockLanes.lock(c)()
	s.mu.Lock()
	defer s.mu.Unlock()
	fanned = s.fanned[c.Digest()[0]]
	size, held := s.blocks[c]
	if !held || s.inUse(c) {
		return fanned, nil
	}
	if err := s.discard(s.blockPath(c)); err != nil {
		return fanned, err
	}
	delete(s.blocks, c)
	s.blockBytes -= uint64(size)
	return fanned, nil
}

// inUse reports whether a block is the manifest or layout of an item. Callers hold mu.
func (s *store) inUse(c block.CID) bool {
	return s.items[c] != nil || s.layouts[c] != nil
}

// All implements Blocks.
func (s *store) All() iter.Seq2[block.CID, int64] {
	return func(yield func(block.CID, int64) bool) {
		s.mu.RLock()
		all := maps.Clone(s.blocks) // the loop's body may call the store
		s.mu.RUnlock()
		for c, size := range all {
			if !yield(c, size) {
				return
			}
		}
	}
}
