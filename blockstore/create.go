package blockstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

func (a *artifacts) create(manifest, layout block.Block, opt WriteOptions) (*Writer, error) {
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
	w := newWriter(a, manifest.CID, m.Shards, opt)
	defer a.locks.lock(manifest.CID)()
	if err := a.open.add(w); err != nil {
		return nil, err
	}
	it, damaged, err := a.catalog.reserve(newItem(manifest.CID, m, cut), w.fill)
	if err != nil {
		return nil, errors.Join(err, w.end())
	}
	w.attach(it)
	if w.standing().done {
		return w, nil
	}
	if err := w.start(manifest, layout, damaged); err != nil {
		return nil, errors.Join(full(err), w.end())
	}
	return w, nil
}

// start opens the item's file, making it if there is none. It has the artifact's lock.
func (w *Writer) start(manifest, layout block.Block, damaged *item) error {
	a, it := w.artifacts, w.it
	fresh := it.path == ""
	var err error
	if fresh {
		err = errors.Join(a.blocks.put(layout), a.blocks.put(manifest))
		switch {
		case err != nil:
		case damaged != nil:
			err = a.salvage(it, damaged.path)
		default:
			err = a.makeFile(it)
		}
	}
	var f file
	if err == nil {
		f, err = a.files.fs.Open(it.path, true)
	}
	if err != nil {
		return errors.Join(err, a.unreserve(it, damaged, w.fill, fresh))
	}
	w.file = f
	w.offset, w.framed = a.catalog.begin(it, w.fill, damaged != nil, w.opt.Finite)
	return nil
}

// makeFile makes the file of an item that holds nothing.
func (a *artifacts) makeFile(it *item) error {
	path := a.files.partialPath(it.cid)
	if err := errors.Join(a.files.discard(path), a.files.discard(a.files.recordPath(it.cid))); err != nil {
		return err
	}
	f, err := a.files.fs.Create(path)
	if err != nil {
		return err
	}
	a.catalog.place(it, path, int64(len(it.cut.Header())))
	return f.Close()
}

// salvage takes the file of a damaged artifact under partial and finds by their hashes the
// shards that are still in it.
func (a *artifacts) salvage(it *item, from string) error {
	to := a.files.partialPath(it.cid)
	if err := a.files.fs.Protect(from, false); err != nil {
		return a.makeFile(it) // the file vanished
	}
	if err := a.files.fs.Rename(from, to); err != nil {
		return err
	}
	f, err := a.files.fs.Open(to, true)
	if err != nil {
		return err
	}
	defer f.Close()
	// A file that was cut short still has its own header, so its data where that ends.
	offset, err := it.cut.Begin(f)
	if err != nil || it.cut.HeaderOfSize(offset) == nil {
		return a.makeFile(it)
	}
	a.catalog.place(it, to, offset)
	a.catalog.checked(it, false) // nobody knows
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
		a.catalog.add(it, i)
	}
	return nil
}

// copyHeld writes the missing shards that the store holds elsewhere.
func (w *Writer) copyHeld() error {
	var buf []byte
	for _, c := range w.Missing() {
		data, _, err := w.artifacts.read(c, buf)
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
	if !w.opt.Finite {
		return nil
	}
	it, catalog := w.it, w.artifacts.catalog
	f, have, offset, err := catalog.unchecked(it, w.fill)
	if err != nil || f == nil {
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
		if err := it.cut.CheckFinite(shard, buf); err != nil {
			return err
		}
	}
	catalog.checked(it, true)
	return nil
}

// sized returns buf with n bytes, a larger one if needed; what was in it is lost.
func sized(buf []byte, n int) []byte { return slices.Grow(buf[:0], n)[:n] }
