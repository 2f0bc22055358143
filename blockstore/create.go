package blockstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// Create implements Artifacts. Shards that the store holds elsewhere are copied in before
// it returns, so they are not missing. It returns ErrBusy while another Writer of the
// artifact is open, tensor.ErrInvalid for a manifest that is not of the layout. For a complete
// artifact nothing is missing, and Commit has nothing to do.
func (s *store) Create(manifest, layout block.Block, opt WriteOptions) (*Writer, error) {
	w, err := s.create(manifest, layout, opt)
	if err != nil {
		return nil, fmt.Errorf("create artifact %s: %w", manifest.CID, err)
	}
	if err = w.recheck(); err == nil {
		err = w.copyHeld()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create artifact %s: %w", manifest.CID, err), w.Close())
	}
	return w, nil
}

func (s *store) create(manifest, layout block.Block, opt WriteOptions) (*Writer, error) {
	if err := errors.Join(manifest.CID.Verify(manifest.Data), layout.CID.Verify(layout.Data)); err != nil {
		return nil, err
	}
	m, err := DecodeManifest(manifest.Data)
	if err != nil {
		return nil, err
	}
	l, err := tensor.DecodeLayout(layout.Data)
	if err != nil {
		return nil, err
	}
	cut, err := m.cut(l)
	if err != nil {
		return nil, err
	}
	w := &Writer{s: s, opt: opt, indices: make(map[block.CID][]int)}
	for i, c := range m.Shards {
		w.indices[c] = append(w.indices[c], i)
	}
	defer s.artifactLanes.lock(manifest.CID)()
	_, damaged, err := s.reserve(newItem(manifest.CID, m, l, cut), w)
	if err != nil {
		return nil, err
	}
	if w.done {
		return w, nil
	}
	if err := w.start(manifest, layout, damaged); err != nil {
		return nil, full(err)
	}
	return w, nil
}

// start opens the item's file, making it if there is none. It has the artifact's lane.
func (w *Writer) start(manifest, layout block.Block, damaged *item) error {
	s, it := w.s, w.it
	fresh := it.path == ""
	var err error
	if fresh {
		err = errors.Join(s.Put(layout), s.Put(manifest))
		switch {
		case err != nil:
		case damaged != nil:
			err = s.salvage(it, damaged.path)
		default:
			err = s.makeFile(it)
		}
	}
	if err == nil {
		w.file, err = s.fs.Open(it.path, true)
	}
	if err != nil {
		return errors.Join(err, s.unreserve(it, damaged, w, fresh))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.durable = it.have.clone(); damaged != nil {
		w.durable = newBitmap(len(it.shards)) // no record says what was found
	}
	w.framed = w.durable.count() > 0
	w.offset = it.offset
	it.finite = it.finite && w.opt.Finite
	return nil
}

// makeFile makes the file of an item that holds nothing.
func (s *store) makeFile(it *item) error {
	path := s.partialPath(it.cid)
	if err := errors.Join(s.discard(path), s.discard(s.recordPath(it.cid))); err != nil {
		return err
	}
	f, err := s.fs.Create(path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it.path, it.offset = path, int64(len(it.layout.SafetensorsHeader()))
	return f.Close()
}

// frame gives a file the item's header and size; what is not written yet is a hole, which
// takes no room. It goes before every fsync until one succeeds, as a failed one may have
// dropped it.
func (it *item) frame(f file) error {
	if _, err := f.WriteAt(it.layout.HeaderOfSize(int(it.offset)), 0); err != nil {
		return err
	}
	return f.Truncate(it.offset + int64(it.cut.Bytes()))
}

// copyHeld writes the missing shards that the store holds elsewhere.
func (w *Writer) copyHeld() error {
	var buf []byte
	for _, c := range w.Missing() {
		data, _, err := w.s.read(c, buf)
		if err != nil {
			continue // then it is to be fetched
		}
		buf = data
		if err := w.WriteShard(block.Block{CID: c, Data: data}); err != nil && !errors.Is(err, block.ErrMismatch) {
			return err
		}
	}
	return nil
}

// recheck looks for elements that are not finite in what was written without looking.
func (w *Writer) recheck() error {
	s, it := w.s, w.it
	s.mu.RLock()
	if !w.opt.Finite || it.finite && !w.done {
		s.mu.RUnlock()
		return nil
	}
	if s.items[it.cid] != it { // deleted meanwhile
		s.mu.RUnlock()
		return ErrNotFound
	}
	have, offset := it.have.clone(), it.offset // have is nil if complete
	f, err := s.fs.Open(it.path, false)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	defer f.Close()
	var buf []byte
	for i := range it.shards {
		if have != nil && !have.has(i) {
			continue
		}
		shard := it.cut.Shard(i)
		buf = sized(buf, shard.Bytes)
		if err := readFull(f, buf, offset+int64(shard.Offset)); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		if err := it.layout.CheckFinite(shard, buf); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it.finite = true
	return nil
}

// sized returns buf with n bytes, a larger one if needed; what was in it is lost.
func sized(buf []byte, n int) []byte { return slices.Grow(buf[:0], n)[:n] }
