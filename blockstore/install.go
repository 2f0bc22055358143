package blockstore

import (
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// reserve returns the store's item of an artifact. If there is none, it registers the one
// given, so that manifest and layout are not deleted while its file is made; a damaged one in
// whose stead that is comes back too. A Writer, if given, is attached.
func (s *store) reserve(it *item, w *Writer) (_, damaged *item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.items[it.cid]
	switch {
	case s.closed:
		return nil, nil, ErrClosed
	case old == nil:
	case w != nil && old.writer != nil:
		return nil, nil, ErrBusy
	case old.state == Damaged:
		damaged = old
		s.forget(old)
	default:
		it = old
	}
	if it != old {
		it.finite = true // as nothing is in it
		s.register(it)
	}
	if w != nil {
		w.it = it // here, as Close of the store may find it from now on
		if w.done = it.state == Complete; !w.done {
			it.writer = w
		}
	}
	return it, damaged, nil
}

// unreserve undoes reserve after a failure. The file of a damaged artifact is kept, unless a
// new one was begun from it.
func (s *store) unreserve(it, damaged *item, w *Writer, fresh bool) error {
	s.mu.Lock()
	if it.writer == w { // else another's, which goes on
		it.writer = nil
	}
	if damaged != nil && it.path == "" {
		s.forget(it)
		s.register(damaged)
		fresh = false
	}
	s.mu.Unlock()
	if fresh {
		return s.drop(it)
	}
	return nil
}

// install makes the file of an item, whole and synced, that of a complete artifact with the
// given manifest, durable on return: by rename, so the file leaves its place. The item is not
// one of the store's artifacts yet; afterwards its state tells whether the file was moved. If
// the artifact is in the store already, the new file, known to be good, replaces the old one.
func (s *store) install(from *item, m Manifest) error {
	manifest := m.Block()
	if len(manifest.Data) > block.MaxSize {
		return fmt.Errorf("manifest: %w: %d bytes", ErrTooLarge, len(manifest.Data))
	}
	defer s.artifactLanes.lock(manifest.CID)()
	own := newItem(manifest.CID, m, from.layout, from.cut)
	it, damaged, err := s.reserve(own, nil)
	if err != nil {
		return err
	}
	err = errors.Join(s.Put(from.layout.Block()), s.Put(manifest))
	if err == nil {
		err = s.moveIn(from, it)
	}
	if err != nil {
		return errors.Join(err, s.unreserve(it, damaged, nil, it == own))
	}
	s.protect(it.cid)
	if err := s.settle(it.cid); err != nil {
		return fmt.Errorf("artifact %s is complete, but may not survive a crash: %w", it.cid, err)
	}
	return nil
}

// moveIn renames a file to be that of an artifact, which it completes.
func (s *store) moveIn(from, it *item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.artifactPath(it.cid)
	if err := s.fs.Rename(from.path, to); err != nil {
		return err
	}
	if w := it.writer; w != nil { // its file is not the artifact's any more
		w.done = true
		it.writer = nil
	}
	s.complete(it, to, from.offset)
	s.forget(from)
	from.state = Complete
	return nil
}

// protect guards the file of a complete artifact against mistakes. Failing to is no reason
// not to have it.
func (s *store) protect(c block.CID) {
	if err := s.fs.Protect(s.artifactPath(c), true); err != nil {
		s.log.Warn("Cannot make an artifact read-only", "manifest", c, "err", err)
	}
}
