package blockstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// ImportOptions of Import. The zero value takes any file.
type ImportOptions struct {
	// Layout is the CID of the layout that the file must have, else ErrLayout; any if zero.
	Layout block.CID
	// ShardElements is the number of elements of a shard, the default if 0.
	ShardElements uint64
	// Finite refuses elements that are NaN or infinite with a tensor.ElementError.
	Finite bool
	// Wide takes the file's tensors in as F32, exactly, whatever their type there.
	Wide bool
	// Keep leaves the file where it is, untouched. Else Disk takes it over where it can,
	// without a copy: on success the path is gone, the file being the artifact's own, with
	// its own header and read-only. It can if the file's tensors lie in canonical order with
	// an aligned header and stay of their type, in the store's file system, as a regular file with no other name.
	// Otherwise, in Memory, and after any error before the last step to durability, the file
	// stays untouched for the caller to remove, and the store has a copy, streamed in
	// constant memory.
	Keep bool
	// Workers is the number of goroutines that read and hash shards, 2 if 0.
	Workers int
}

const defaultWorkers = 2

// Import implements Artifacts. It returns tensor.ErrSafetensors or tensor.ErrInvalid
// for a file that is not safetensors with tensors that weft stores, ErrChanged if the file is
// written to meanwhile: its writer must have closed it.
func (s *store) Import(ctx context.Context, path string, opt ImportOptions) (block.CID, error) {
	c, err := s.importFile(ctx, path, opt)
	if err != nil {
		return c, fmt.Errorf("import %s: %w", path, full(err))
	}
	return c, nil
}

func (s *store) importFile(ctx context.Context, path string, opt ImportOptions) (block.CID, error) {
	f, err := s.outside.Open(path, false)
	if err != nil {
		return block.CID{}, err
	}
	defer f.Close()
	src, err := newSource(f, opt)
	if err != nil {
		return block.CID{}, err
	}
	if err := s.checkLayout(src.cut.Layout(), opt.Layout); err != nil {
		return block.CID{}, err
	}
	if !opt.Keep && src.canonical && s.outside == s.files.fs && s.outside.Movable(path, s.files.path(artifactDir)) {
		c, moved, err := s.takeOver(ctx, path, src, opt)
		if err == nil || moved || !notMovable(err) {
			return c, err
		}
	}
	return s.copyIn(ctx, src, opt)
}

// checkLayout returns ErrLayout, saying where they differ, if l is not the layout wanted.
func (s *store) checkLayout(l tensor.Layout, want block.CID) error {
	got := l.Block().CID
	if !want.Defined() || got == want {
		return nil
	}
	data, err := s.Get(want)
	if err == nil {
		var w tensor.Layout
		if w, err = tensor.DecodeLayout(data); err == nil {
			return fmt.Errorf("%w: %s", ErrLayout, l.Difference(w))
		}
	}
	return fmt.Errorf("%w: %s, not %s", ErrLayout, got, want)
}

// takeOver makes the file itself the artifact's. moved tells whether it left its path.
func (s *store) takeOver(ctx context.Context, path string, src *source, opt ImportOptions) (c block.CID, moved bool, err error) {
	shards := make([]block.CID, src.cut.Len())
	err = src.each(ctx, opt, func(i int, data []byte) error {
		shards[i] = block.Sum(block.Raw, data)
		return nil
	})
	if err != nil {
		return block.CID{}, false, err
	}
	if err := src.file.Sync(); err != nil {
		return block.CID{}, false, err
	}
	if err := src.unchanged(); err != nil {
		return block.CID{}, false, err
	}
	m := newManifest(src.cut.Layout().Block().CID, src.cut, shards)
	it := newItem(block.CID{}, Manifest{}, src.cut)
	it.lie(path, int64(src.header.DataOffset))
	err = s.artifacts.install(it, m)
	if moved = s.catalog.moved(it); moved {
		c = m.Block().CID
		// Else the file may turn up at its old place too after a crash: no harm to the store.
		if err := s.outside.SyncDir(filepath.Dir(path)); err != nil {
			s.files.log.Warn("Cannot make the removal of an imported file durable", "path", path, "err", err)
		}
	}
	return c, moved, err
}

// copyIn writes a new file of the source's elements in canonical order.
func (s *store) copyIn(ctx context.Context, src *source, opt ImportOptions) (block.CID, error) {
	b, err := s.artifacts.newBuilder(src.cut)
	if err != nil {
		return block.CID{}, err
	}
	err = src.each(ctx, opt, func(i int, data []byte) error {
		_, err := b.WriteShard(i, data)
		return err
	})
	if err == nil {
		err = src.unchanged()
	}
	if err != nil {
		return block.CID{}, errors.Join(err, b.Abort())
	}
	c, err := b.Commit()
	return c, errors.Join(err, b.Abort())
}

// each calls do with every shard, from several goroutines, in no order. It returns the error
// of the first shard, by index, that has one.
func (src *source) each(ctx context.Context, opt ImportOptions, do func(i int, data []byte) error) error {
	workers := opt.Workers
	if workers <= 0 {
		workers = defaultWorkers
	}
	var (
		group  sync.WaitGroup
		next   atomic.Int64
		mu     sync.Mutex
		failed = src.cut.Len()
		first  error
	)
	for range min(workers, src.cut.Len()) {
		group.Go(func() {
			var buf []byte
			for {
				i := int(next.Add(1)) - 1
				if i >= src.cut.Len() {
					return
				}
				err := ctx.Err()
				if err == nil {
					buf, err = src.shard(i, buf, opt.Finite)
				}
				if err == nil {
					err = do(i, buf)
				}
				if err != nil {
					next.Store(int64(src.cut.Len())) // shards before i are under way already
					mu.Lock()
					defer mu.Unlock()
					if i < failed {
						failed, first = i, err
					}
					return
				}
			}
		})
	}
	group.Wait()
	return first
}
