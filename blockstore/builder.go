package blockstore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// Builder makes an artifact of shards as they are computed. Its methods may be called from
// several goroutines. End it with Commit or Abort.
//
// A shard can at once be read by its CID, so that a reducer's results can be fetched while it
// computes the next. Nothing of it survives a crash before Commit: what was computed can be
// computed again.
type Builder struct {
	artifacts *artifacts
	it        *item
	layout    block.Block

	io    sync.RWMutex // read-locked while a shard is written, locked to end the Builder
	file  file
	ended bool // changes with io locked
}

func (a *artifacts) newBuilder(cut *tensor.Cut) (*Builder, error) {
	l := cut.Layout()
	if err := l.Validate(); err != nil {
		return nil, err
	}
	path := a.files.tempPath()
	f, err := a.files.fs.Create(path)
	if err != nil {
		return nil, err
	}
	it := newItem(block.CID{}, Manifest{}, cut)
	it.lie(path, int64(len(cut.Header())))
	b := &Builder{artifacts: a, it: it, layout: l.Block(), file: f}
	if err := a.open.add(b); err != nil {
		return nil, errors.Join(err, f.Close(), a.files.discard(path))
	}
	return b, nil
}

// Len returns the number of shards.
func (b *Builder) Len() int { return b.it.cut.Len() }

// Shard returns where shard i lies, and the types of its elements.
func (b *Builder) Shard(i int) tensor.Shard { return b.it.cut.Shard(i) }

// WriteShard stores the bytes of shard i and returns their CID. Writing the same bytes again
// does nothing; other bytes are refused with tensor.ErrInvalid, as those before may have been read.
func (b *Builder) WriteShard(i int, data []byte) (block.CID, error) {
	if i < 0 || i >= b.Len() {
		return block.CID{}, fmt.Errorf("shard %d of %d: %w", i, b.Len(), ErrForeign)
	}
	shard := b.it.cut.Shard(i)
	if len(data) != shard.Bytes {
		return block.CID{}, fmt.Errorf("shard %d: %w: %d bytes, the layout says %d", i, tensor.ErrInvalid, len(data), shard.Bytes)
	}
	c := block.Sum(block.Raw, data)
	b.io.RLock()
	defer b.io.RUnlock()
	if b.ended {
		return block.CID{}, fmt.Errorf("shard %d: %w", i, ErrClosed)
	}
	if err := b.artifacts.files.claim(len(data)); err != nil {
		return block.CID{}, fmt.Errorf("shard %d: %w", i, err)
	}
	if err := b.artifacts.catalog.claim(b.it, i, c); err != nil {
		return block.CID{}, err
	}
	if _, err := b.file.WriteAt(data, b.it.offset+int64(shard.Offset)); err != nil {
		return block.CID{}, fmt.Errorf("shard %d: %w", i, full(err))
	}
	b.artifacts.catalog.add(b.it, i)
	return c, nil
}

// Commit makes the artifact a complete one, durable on return, and ends the Builder. It
// returns ErrIncomplete while shards are missing. After an error the Builder can go on; if the
// disk failed, all shards are missing again. If only the last step to durability failed, the
// artifact is there, its CID is returned with the error, and the Builder has ended.
func (b *Builder) Commit() (block.CID, error) {
	b.io.Lock()
	defer b.io.Unlock()
	if b.ended {
		return block.CID{}, fmt.Errorf("commit artifact: %w", ErrClosed)
	}
	catalog := b.artifacts.catalog
	held, n := catalog.counts(b.it)
	if held < n {
		return block.CID{}, fmt.Errorf("commit artifact: %d of %d shards: %w", n-held, n, ErrIncomplete)
	}
	m := newManifest(b.layout.CID, b.it.cut, b.it.shards)
	err := b.it.frame(b.file)
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		catalog.unwrite(b.it)
	} else {
		err = b.artifacts.install(b.it, m)
	}
	if err != nil && !catalog.moved(b.it) {
		return block.CID{}, fmt.Errorf("commit artifact: %w", full(err))
	}
	return m.Block().CID, full(errors.Join(err, b.end()))
}

// Abort ends the Builder and removes what was written. After Commit it does nothing.
func (b *Builder) Abort() error {
	b.io.Lock()
	defer b.io.Unlock()
	if b.ended {
		return nil
	}
	return errors.Join(b.end(), b.artifacts.files.discard(b.it.path))
}

// shut is Abort, when the store closes.
func (b *Builder) shut() error { return b.Abort() }

func (b *Builder) end() error {
	b.ended = true
	b.artifacts.open.remove(b)
	b.artifacts.catalog.leave(b.it)
	return b.file.Close()
}
