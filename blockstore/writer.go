package blockstore

import (
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
	artifacts *artifacts
	cid       block.CID // the artifact's
	it        *item     // nil until reserved; the artifact's lock guards that
	fill      *filling
	opt       WriteOptions
	indices   map[block.CID][]int // where in the artifact each shard belongs

	io     sync.RWMutex // read-locked while a shard is written, locked to end the Writer
	file   file         // nil if the artifact was complete from the start, and until there is one; the artifact's lock guards it
	offset int64        // of the data in file, which the artifact may leave for another's
	framed bool         // its header and size survive a crash; the artifact's lock guards it
}

func newWriter(a *artifacts, c block.CID, shards []block.CID, opt WriteOptions) *Writer {
	w := &Writer{artifacts: a, cid: c, fill: new(filling), opt: opt, indices: make(map[block.CID][]int)}
	for i, s := range shards {
		w.indices[s] = append(w.indices[s], i)
	}
	return w
}

// attach tells the Writer which item it fills.
func (w *Writer) attach(it *item) { w.it = it }

func (w *Writer) standing() standing { return w.artifacts.catalog.standing(w.it, w.fill) }

// Missing returns the shards still to be written, each once, in the artifact's order.
func (w *Writer) Missing() []block.CID { return w.standing().missing }

// WriteShard writes a shard to all places it has in the artifact. It returns ErrForeign for a
// block that has none, block.ErrMismatch for wrong bytes, a tensor.ElementError as WriteOptions ask,
// ErrFull without room; after each the Writer can go on.
func (w *Writer) WriteShard(b block.Block) error {
	return w.write(b, func() error {
		_, err := b.Verify()
		return err
	})
}

// WriteVerified is WriteShard for a block that was found to be what its CID says, and is not hashed again.
func (w *Writer) WriteVerified(b block.Verified) error {
	return w.write(b.Block(), func() error { return nil })
}

// write is WriteShard, with what verifies a block that is wanted.
func (w *Writer) write(b block.Block, verify func() error) error {
	w.io.RLock()
	defer w.io.RUnlock()
	todo, err := w.artifacts.catalog.wants(w.it, w.fill, w.indices[b.CID])
	if err != nil {
		return fmt.Errorf("write shard %s: %w", b.CID, err)
	}
	if len(todo) == 0 {
		return nil
	}
	if err := verify(); err != nil {
		return fmt.Errorf("write shard: %w", err)
	}
	for _, i := range todo {
		if err := w.check(w.it.cut.Shard(i), b.Data); err != nil {
			return err
		}
	}
	if err := w.artifacts.files.claim(len(todo) * len(b.Data)); err != nil {
		return fmt.Errorf("write shard of %s: %w", w.cid, err)
	}
	for _, i := range todo {
		if _, err := w.file.WriteAt(b.Data, w.offset+int64(w.it.cut.Shard(i).Offset)); err != nil {
			return fmt.Errorf("write shard %d of %s: %w", i, w.cid, full(err))
		}
	}
	if w.artifacts.catalog.wrote(w.it, w.fill, todo, uint64(len(b.Data))) >= w.artifacts.syncBytes {
		return w.Sync()
	}
	return nil
}

func (w *Writer) check(shard tensor.Shard, data []byte) error {
	if len(data) != shard.Bytes {
		return fmt.Errorf("manifest %s: %w: its shard %d has %d bytes, the layout says %d", w.cid, tensor.ErrInvalid, shard.Index, len(data), shard.Bytes)
	}
	if w.opt.Finite {
		return w.it.cut.CheckFinite(shard, data)
	}
	return nil
}

// Sync makes what was written so far durable: on return a site may promise to have it. If it
// fails, what was written since the last Sync is missing again.
func (w *Writer) Sync() error {
	defer w.artifacts.locks.lock(w.cid)()
	return w.sync()
}

// sync is Sync for callers that have the artifact's lock.
func (w *Writer) sync() error {
	if w.file == nil {
		return nil
	}
	catalog := w.artifacts.catalog
	r, ok := catalog.syncing(w.it, w.fill)
	if !ok {
		return nil
	}
	var err error
	if !w.framed {
		err = w.it.frame(w.file)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if w.framed = w.framed || err == nil; err == nil {
		err = w.artifacts.files.writeRecord(r)
	}
	catalog.synced(w.it, w.fill, r.Held, err != nil)
	if err != nil {
		return fmt.Errorf("sync artifact %s: %w", w.cid, full(err))
	}
	return nil
}

// Commit makes the artifact a complete one, durable on return, and ends the Writer. It
// returns ErrIncomplete while shards are missing; after any error the Writer can go on.
func (w *Writer) Commit() error {
	w.io.Lock()
	defer w.io.Unlock()
	defer w.artifacts.locks.lock(w.cid)()
	at := w.standing()
	switch {
	case at.ended:
		return ErrClosed
	case at.done:
		return w.end()
	case len(at.missing) > 0:
		return fmt.Errorf("commit artifact %s: %d of %d shards: %w", w.cid, len(at.missing), len(w.it.shards), ErrIncomplete)
	}
	err := w.sync()
	if err == nil && at.state == Partial {
		err = w.artifacts.catalog.promote(w.it)
	}
	if err == nil {
		w.artifacts.files.protect(w.cid)
		err = w.artifacts.files.settle(w.cid)
	}
	if err != nil {
		return fmt.Errorf("commit artifact %s: %w", w.cid, full(err))
	}
	return w.end()
}

// Close makes what was written durable and ends the Writer, leaving the artifact to be gone
// on with by another Create. After Commit and Abort it does nothing.
func (w *Writer) Close() error {
	w.io.Lock()
	defer w.io.Unlock()
	defer w.artifacts.locks.lock(w.cid)()
	return errors.Join(w.sync(), w.end())
}

// Abort ends the Writer and removes the artifact, as DeleteArtifact does, unless it is
// complete. After Commit and Close it does nothing.
func (w *Writer) Abort() error {
	w.io.Lock()
	defer w.io.Unlock()
	defer w.artifacts.locks.lock(w.cid)()
	at := w.standing()
	err := w.end()
	if !at.ended && !at.done && at.state != Complete {
		err = errors.Join(err, w.artifacts.drop(w.it))
	}
	return err
}

// shut is Close, when the store closes.
func (w *Writer) shut() error { return w.Close() }

// end detaches the Writer from its artifact. It has the artifact's lock.
func (w *Writer) end() error {
	first := w.artifacts.catalog.detach(w.it, w.fill)
	w.artifacts.open.remove(w)
	if !first || w.file == nil {
		return nil
	}
	return w.file.Close()
}
