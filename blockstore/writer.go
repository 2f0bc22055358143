package blockstore

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// WriteOptions of a Writer.
type WriteOptions struct {
	// Finite refuses elements that are NaN or infinite: in what is written, and in what an
	// earlier Writer without it left, which is read again for that.
	Finite bool
}

// Writer fills an artifact with shards as they are fetched. Its methods may be called from
// several goroutines. End it with Commit, Close or Abort.
//
// What it has written can at once be read by the shard's CID, so that others can be served
// before all is there; a site that fetches just a few shards leaves it at that with Close.
// After Sync, Close or a clean end of the store the shards survive a crash, and the next
// Create goes on from there.
type Writer struct {
	s       *store
	it      *item
	opt     WriteOptions
	indices map[block.CID][]int // where in the artifact each shard belongs

	io     sync.RWMutex // read-locked while a shard is written, locked to end the Writer
	file   file         // nil if the artifact was complete from the start, and until there is one; the artifact's lane guards it
	offset int64        // of the data in file, which the artifact may leave for another's
	framed bool         // its header and size survive a crash; the artifact's lane guards it
	// The store's mutex guards these.
	ended    bool
	done     bool   // the artifact is complete without this Writer
	durable  bitmap // shards that survive a crash
	unsynced uint64 // bytes written after that
}

// Missing returns the shards still to be written, each once, in the artifact's order.
func (w *Writer) Missing() []block.CID {
	w.s.mu.RLock()
	defer w.s.mu.RUnlock()
	return w.missing()
}

func (w *Writer) missing() []block.CID {
	if w.done {
		return nil
	}
	var cs []block.CID
	seen := make(map[block.CID]bool)
	for i, c := range w.it.shards {
		if !w.it.holds(i) && !seen[c] {
			seen[c] = true
			cs = append(cs, c)
		}
	}
	return cs
}

// WriteShard writes a shard to all places it has in the artifact. It returns ErrForeign for a
// block that has none, block.ErrMismatch for wrong bytes, a tensor.ElementError as WriteOptions ask,
// ErrFull without room; after each the Writer can go on.
func (w *Writer) WriteShard(b block.Block) error {
	w.io.RLock()
	defer w.io.RUnlock()
	todo, err := w.wants(b.CID)
	if err != nil {
		return fmt.Errorf("write shard %s: %w", b.CID, err)
	}
	if len(todo) == 0 {
		return nil
	}
	if err := b.CID.Verify(b.Data); err != nil {
		return fmt.Errorf("write shard: %w", err)
	}
	for _, i := range todo {
		if err := w.check(w.it.cut.Shard(i), b.Data); err != nil {
			return err
		}
	}
	for _, i := range todo {
		if _, err := w.file.WriteAt(b.Data, w.offset+int64(w.it.cut.Shard(i).Offset)); err != nil {
			return fmt.Errorf("write shard %d of %s: %w", i, w.it.cid, full(err))
		}
	}
	if w.wrote(todo, uint64(len(b.Data))) {
		return w.Sync()
	}
	return nil
}

// wants returns the places of a shard that are not yet written.
func (w *Writer) wants(c block.CID) ([]int, error) {
	w.s.mu.RLock()
	defer w.s.mu.RUnlock()
	at, ok := w.indices[c]
	switch {
	case w.ended:
		return nil, ErrClosed
	case !ok:
		return nil, ErrForeign
	case w.done:
		return nil, nil
	}
	var todo []int
	for _, i := range at {
		if !w.it.holds(i) {
			todo = append(todo, i)
		}
	}
	return todo, nil
}

func (w *Writer) check(shard tensor.Shard, data []byte) error {
	if len(data) != shard.Bytes {
		return fmt.Errorf("manifest %s: %w: its shard %d has %d bytes, the layout says %d", w.it.cid, tensor.ErrInvalid, shard.Index, len(data), shard.Bytes)
	}
	if w.opt.Finite {
		return w.it.layout.CheckFinite(shard, data)
	}
	return nil
}

// wrote notes the shards, and reports whether it is time for a Sync.
func (w *Writer) wrote(at []int, size uint64) bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.done {
		return false
	}
	for _, i := range at {
		w.s.put(w.it, i)
	}
	w.unsynced += size * uint64(len(at))
	return w.unsynced >= w.s.opt.SyncBytes
}

// Sync makes what was written so far durable: on return a site may promise to have it. If it
// fails, what was written since the last Sync is missing again.
func (w *Writer) Sync() error {
	defer w.s.artifactLanes.lock(w.it.cid)()
	return w.sync()
}

// sync is Sync for callers that have the artifact's lane.
func (w *Writer) sync() error {
	w.s.mu.Lock()
	if w.ended || w.done || w.file == nil || w.it.state != Partial || bytes.Equal(w.it.have, w.durable) {
		w.s.mu.Unlock()
		return nil
	}
	r := record{w.it.cid, w.it.finite, w.it.have.clone()}
	w.unsynced = 0
	w.s.mu.Unlock()

	var err error
	if !w.framed {
		err = w.it.frame(w.file)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if w.framed = w.framed || err == nil; err == nil {
		err = w.s.writeRecord(r)
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if err == nil {
		w.durable = r.Held
		return nil
	}
	// After a failed fsync the kernel may have dropped the pages and forgotten the failure.
	for i := range w.it.shards {
		if !w.durable.has(i) {
			w.s.take(w.it, i)
		}
	}
	return fmt.Errorf("sync artifact %s: %w", w.it.cid, full(err))
}

// Commit makes the artifact a complete one, durable on return, and ends the Writer. It
// returns ErrIncomplete while shards are missing; after any error the Writer can go on.
func (w *Writer) Commit() error {
	w.io.Lock()
	defer w.io.Unlock()
	defer w.s.artifactLanes.lock(w.it.cid)()
	w.s.mu.RLock()
	ended, done, missing, state := w.ended, w.done, len(w.missing()), w.it.state
	w.s.mu.RUnlock()
	switch {
	case ended:
		return ErrClosed
	case done:
		return w.end()
	case missing > 0:
		return fmt.Errorf("commit artifact %s: %d of %d shards: %w", w.it.cid, missing, len(w.it.shards), ErrIncomplete)
	}
	err := w.sync()
	if err == nil && state == Partial {
		err = w.s.promote(w.it)
	}
	if err == nil {
		w.s.protect(w.it.cid)
		err = w.s.settle(w.it.cid)
	}
	if err != nil {
		return fmt.Errorf("commit artifact %s: %w", w.it.cid, full(err))
	}
	return w.end()
}

// promote moves the file of a partial artifact that has all shards, durably, to those of the
// complete ones. It is durable itself after settle.
func (s *store) promote(it *item) error {
	to := s.artifactPath(it.cid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fs.Rename(s.partialPath(it.cid), to); err != nil {
		return err
	}
	s.complete(it, to, it.offset)
	return nil
}

// settle makes the file of a complete artifact durable under its name, and removes what is
// left of it under partial: in this order, as a crash in between must not lose both.
func (s *store) settle(c block.CID) error {
	if err := s.fs.SyncDir(s.path(artifactDir)); err != nil {
		return err
	}
	if err := errors.Join(s.discard(s.recordPath(c)), s.discard(s.partialPath(c))); err != nil {
		return err
	}
	return s.fs.SyncDir(s.path(partialDir))
}

// Close makes what was written durable and ends the Writer, leaving the artifact to be gone
// on with by another Create. After Commit and Abort it does nothing.
func (w *Writer) Close() error {
	w.io.Lock()
	defer w.io.Unlock()
	defer w.s.artifactLanes.lock(w.it.cid)()
	return errors.Join(w.sync(), w.end())
}

// Abort ends the Writer and removes the artifact, as DeleteArtifact does, unless it is
// complete. After Commit and Close it does nothing.
func (w *Writer) Abort() error {
	w.io.Lock()
	defer w.io.Unlock()
	defer w.s.artifactLanes.lock(w.it.cid)()
	w.s.mu.RLock()
	remove := !w.ended && !w.done && w.it.state != Complete
	w.s.mu.RUnlock()
	err := w.end()
	if remove {
		err = errors.Join(err, w.s.drop(w.it))
	}
	return err
}

// end detaches the Writer from its artifact.
func (w *Writer) end() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.ended {
		return nil
	}
	w.ended = true
	if w.it.writer == w {
		w.it.writer = nil
	}
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
