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
	s      *store
	it     *item
	layout block.Block

	io    sync.RWMutex // read-locked while a shard is written, locked to end the Builder
	file  file
	ended bool // changes with io and the store's mutex locked
}

// NewArtifact implements Artifacts.
func (s *store) NewArtifact(l tensor.Layout, shardElements uint64) (*Builder, error) {
	b, err := s.newBuilder(l, shardElements)
	if err != nil {
		return nil, fmt.Errorf("new artifact: %w", full(err))
	}
	return b, nil
}

func (s *store) newBuilder(l tensor.Layout, shardElements uint64) (*Builder, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	cut, err := l.Cut(shardElements)
	if err != nil {
		return nil, err
	}
	path := s.tempPath()
	f, err := s.fs.Create(path)
	if err != nil {
		return nil, err
	}
	it := newItem(block.CID{}, Manifest{}, l, cut)
	it.path, it.offset = path, int64(len(l.SafetensorsHeader()))
	b := &Builder{s: s, it: it, layout: l.Block(), file: f}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.builders[b] = true
	}
	s.mu.Unlock()
	if closed {
		return nil, errors.Join(ErrClosed, f.Close(), s.discard(path))
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
	if err := b.claim(i, c); err != nil {
		return block.CID{}, err
	}
	if _, err := b.file.WriteAt(data, b.it.offset+int64(shard.Offset)); err != nil {
		return block.CID{}, fmt.Errorf("shard %d: %w", i, full(err))
	}
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.put(b.it, i)
	return c, nil
}

// claim sets the CID of a shard.
func (b *Builder) claim(i int, c block.CID) error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if before := b.it.shards[i]; before.Defined() && before != c {
		return fmt.Errorf("shard %d: %w: it has other bytes already", i, tensor.ErrInvalid)
	}
	b.it.shards[i] = c
	return nil
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
	b.s.mu.RLock()
	held, n := b.it.have.count(), len(b.it.shards)
	b.s.mu.RUnlock()
	if held < n {
		return block.CID{}, fmt.Errorf("commit artifact: %d of %d shards: %w", n-held, n, ErrIncomplete)
	}
	m := newManifest(b.layout.CID, b.it.cut, b.it.shards)
	err := b.it.frame(b.file)
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		b.unwrite()
	} else {
		err = b.s.install(b.it, m)
	}
	if err != nil && !b.moved() {
		return block.CID{}, fmt.Errorf("commit artifact: %w", full(err))
	}
	return m.Block().CID, full(errors.Join(err, b.end()))
}

// unwrite takes all shards for missing, as after a failed fsync nobody knows what the disk has.
func (b *Builder) unwrite() {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	for i := range b.it.shards {
		b.s.take(b.it, i)
	}
}

// moved reports whether the file is that of an artifact by now.
func (b *Builder) moved() bool {
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	return b.it.state == Complete
}

// Abort ends the Builder and removes what was written. After Commit it does nothing.
func (b *Builder) Abort() error {
	b.io.Lock()
	defer b.io.Unlock()
	if b.ended {
		return nil
	}
	return errors.Join(b.end(), b.s.discard(b.it.path))
}

func (b *Builder) end() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.ended = true
	delete(b.s.builders, b)
	b.s.forget(b.it)
	return b.file.Close()
}
