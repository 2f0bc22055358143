package blockstore

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// drop removes an item and its files, its manifest, and its layout if that is not in use
// otherwise. If it fails before the artifact is gone, all is as it was. Callers have the
// artifact's lane, and the item has no Writer.
func (s *store) drop(it *item) error {
	// Freeing a large file takes a while, a rename does not.
	temp := s.tempPath()
	s.mu.Lock()
	path, err := it.path, error(nil)
	if path != "" {
		err = s.fs.Rename(path, temp)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.mu.Unlock()
		return full(err)
	}
	s.forget(it)
	s.mu.Unlock()
	return full(errors.Join(s.discard(s.recordPath(it.cid)), s.discard(temp), s.syncArtifacts(),
		s.deleteBlocks([]block.CID{it.cid, it.manifest.Layout})))
}

// syncArtifacts makes durable which artifacts there are.
func (s *store) syncArtifacts() error {
	return errors.Join(s.fs.SyncDir(s.path(artifactDir)), s.fs.SyncDir(s.path(partialDir)))
}

// DeleteArtifact implements Artifacts.
func (s *store) DeleteArtifact(manifest block.CID) error {
	defer s.artifactLanes.lock(manifest)()
	s.mu.RLock()
	it, closed := s.items[manifest], s.closed
	busy := it != nil && it.writer != nil
	s.mu.RUnlock()
	var err error
	switch {
	case closed:
		return ErrClosed
	case busy:
		err = ErrBusy
	case it != nil:
		err = s.drop(it)
	default: // or an earlier call failed when all but durable
		err = errors.Join(full(s.syncArtifacts()), s.deleteBlocks([]block.CID{manifest}))
	}
	if err != nil {
		return fmt.Errorf("delete artifact %s: %w", manifest, err)
	}
	return nil
}

// lose takes a block whose bytes went bad out of the store and returns the CorruptError to
// report: the shard at a place, or the block that was put, if at is nil.
func (s *store) lose(c block.CID, at *place, cause error) error {
	if at != nil {
		it, i := at.item, at.shard
		s.mu.RLock()
		path := it.path
		s.mu.RUnlock()
		lost := &CorruptError{Block: c, Manifest: it.cid, Shard: i, File: s.relative(path), Err: cause}
		return with(lost, s.loseShards(it, []int{i}))
	}
	lost := &CorruptError{Block: c, Shard: -1, File: s.relative(s.blockPath(c)), Err: cause}
	return with(lost, s.loseBlock(c))
}

// with returns lost, joined by the failure to take it out.
func with(lost *CorruptError, err error) error {
	if err != nil {
		return errors.Join(lost, err)
	}
	return lost
}

// loseBlock removes a bad block, or writes it anew if it is known from an artifact.
func (s *store) loseBlock(c block.CID) error {
	var good block.Block
	s.mu.RLock()
	if it := s.items[c]; it != nil && it.state != Damaged {
		good = it.manifest.Block()
	} else if use := s.layouts[c]; use != nil {
		good = use.layout.Block()
	}
	s.mu.RUnlock()
	if good.CID != c {
		return s.deleteBlocks([]block.CID{c})
	}
	defer s.blockLanes.lock(c)()
	return s.writeFile(s.blockPath(c), s.tempPath(), good.Data)
}

// loseShards takes bad shards of an item out of the store. A complete artifact becomes a
// partial one.
func (s *store) loseShards(it *item, bad []int) error {
	if it.cid.Defined() {
		defer s.artifactLanes.lock(it.cid)()
	}
	s.mu.Lock()
	state := it.state
	current := s.items[it.cid] == it
	var held bitmap                                         // durably
	if state == Partial && (current || !it.cid.Defined()) { // else deleted meanwhile
		for _, i := range bad {
			s.take(it, i)
		}
		held = it.have.clone()
		if w := it.writer; w != nil {
			for i := range it.shards {
				if !w.durable.has(i) {
					held.remove(i)
				}
			}
			w.durable = held.clone() // what is written in a bad shard's stead is not yet
		}
	}
	finite := it.finite
	s.mu.Unlock()
	switch {
	case !current || state == Damaged:
		return nil // deleted meanwhile, or a Builder's
	case state == Partial:
		return s.writeRecord(record{it.cid, finite, held})
	}
	held = newBitmap(len(it.shards))
	for i := range it.shards {
		held.add(i)
	}
	for _, i := range bad {
		held.remove(i)
	}
	return s.demote(it, held)
}

// demote makes a complete artifact a partial one that holds the given shards.
func (s *store) demote(it *item, held bitmap) error {
	from, to := s.artifactPath(it.cid), s.partialPath(it.cid)
	// The record goes first: without one, the file would be cleared away after a crash.
	if err := errors.Join(s.writeRecord(record{it.cid, false, held}), s.fs.Protect(from, false)); err != nil {
		return s.abandon(it, err)
	}
	s.mu.Lock()
	err := s.fs.Rename(from, to)
	if err == nil {
		for _, c := range it.shards {
			s.shards.remove(c, it)
		}
		it.state, it.path, it.have, it.bytes, it.finite = Partial, to, newBitmap(len(it.shards)), 0, false
		for i := range it.shards {
			if held.has(i) {
				s.put(it, i)
			}
		}
	}
	s.mu.Unlock()
	if err != nil {
		return s.abandon(it, err)
	}
	return errors.Join(s.fs.SyncDir(s.path(partialDir)), s.fs.SyncDir(s.path(artifactDir)))
}

// abandon ends a complete artifact that could not be demoted, so that nobody takes it for
// good: its file vanished, or the disk fails.
func (s *store) abandon(it *item, err error) error {
	s.mu.Lock()
	s.forget(it)
	s.register(&item{cid: it.cid, state: Damaged, path: it.path})
	s.mu.Unlock()
	return fmt.Errorf("artifact %s: %w", it.cid, err)
}

// salvage takes the file of a damaged artifact under partial and finds by their hashes the
// shards that are still in it.
func (s *store) salvage(it *item, from string) error {
	to := s.partialPath(it.cid)
	if err := s.fs.Protect(from, false); err != nil {
		return s.makeFile(it) // the file vanished
	}
	if err := s.fs.Rename(from, to); err != nil {
		return err
	}
	f, err := s.fs.Open(to, true)
	if err != nil {
		return err
	}
	defer f.Close()
	// A file that was cut short still has its own header, so its data where that ends.
	offset, err := tensor.DataOffset(f)
	if err != nil || it.layout.HeaderOfSize(int(offset)) == nil {
		return s.makeFile(it)
	}
	s.mu.Lock()
	it.path, it.offset = to, offset
	it.finite = false // nobody knows
	s.mu.Unlock()
	if err := it.frame(f); err != nil {
		return err
	}
	var buf []byte
	for i, c := range it.shards {
		shard := it.cut.Shard(i)
		buf = sized(buf, shard.Bytes)
		if readFull(f, buf, it.offset+int64(shard.Offset)) != nil || c.Verify(buf) != nil {
			continue // missing, so it will be fetched
		}
		s.mu.Lock()
		s.put(it, i)
		s.mu.Unlock()
	}
	return nil
}
