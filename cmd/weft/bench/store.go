package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

// Store is how to measure the block store.
type Store struct {
	Dir   string // empty folder on the disk that is measured
	Bytes uint64 // of the model
	Turns int
}

// model is what is stored: one tensor, and the blocks that come of it.
type model struct {
	cut      *tensor.Cut
	data     []byte
	layout   block.Block
	manifest block.Block
	shards   []block.Block
}

// least is the size of the smallest model that is measured.
const least = 1 << 20

// newModel returns a model of about so many bytes.
func newModel(ctx context.Context, bytes uint64) (_ *model, err error) {
	if bytes < least || bytes > 1<<36 {
		return nil, fmt.Errorf("a size of %d bytes, want 1 MiB to 64 GiB: it is held in memory", bytes)
	}
	m := &model{data: finiteBytes(int(bytes/4*4), 1)}
	l := tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{uint64(len(m.data) / 4)}}}}
	if m.cut, err = l.Cut(0); err != nil {
		return nil, err
	}
	memory := blockstore.NewMemory(blockstore.Options{})
	defer func() { err = errors.Join(err, memory.Close()) }()
	b, err := memory.NewArtifact(m.cut)
	if err != nil {
		return nil, err
	}
	for i := range m.cut.Len() {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, b.Abort())
		}
		s := m.shard(i)
		c, err := b.WriteShard(i, s)
		if err != nil {
			return nil, errors.Join(err, b.Abort())
		}
		m.shards = append(m.shards, block.Block{CID: c, Data: s})
	}
	id, err := b.Commit()
	if err != nil {
		return nil, err
	}
	m.layout = l.Block()
	raw, err := memory.Get(id)
	m.manifest = block.Block{CID: id, Data: raw}
	return m, err
}

func (m *model) shard(i int) []byte {
	s := m.cut.Shard(i)
	return m.data[s.Offset : s.Offset+uint64(s.Bytes)]
}

// Run measures what it costs to have a model in a store.
func (s Store) Run(ctx context.Context, progress func(done int)) (_ *Comparison, err error) {
	m, err := newModel(ctx, s.Bytes)
	if err != nil {
		return nil, err
	}
	store, err := blockstore.OpenDisk(filepath.Join(s.Dir, "store"), blockstore.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	file := filepath.Join(s.Dir, "model.safetensors")
	ways := []Way{
		{Name: "hash", Does: "reads a file and hashes it in blocks, on all processors", Run: func(ctx context.Context) (Cost, error) { return s.hash(ctx, m, file) }},
		{Name: "append", Does: "appends to one file, in blocks, and makes it durable", Run: func(context.Context) (Cost, error) { return s.append(m) }},
		{Name: "import", Does: "takes a file over that is durable already", Run: func(ctx context.Context) (Cost, error) { return s.take(ctx, m, store, file, true) }},
		{Name: "import new", Does: "takes a file over that was just written", Run: func(ctx context.Context) (Cost, error) { return s.take(ctx, m, store, file, false) }},
		{Name: "fetched", Does: "writes blocks as they are fetched, and makes them durable", Run: func(ctx context.Context) (Cost, error) { return s.fetched(ctx, m, store) }},
	}
	return Measure(ctx, "store", uint64(len(m.data)), ways, []string{"hash", "append"}, s.Turns, progress)
}

// write makes the model's file.
func (m *model) write(path string, durable bool) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(m.cut.Header()); err != nil {
		return err
	}
	if _, err := f.Write(m.data); err != nil || !durable {
		return err
	}
	return f.Sync()
}

func (s Store) hash(ctx context.Context, m *model, path string) (Cost, error) {
	if err := m.write(path, true); err != nil {
		return Cost{}, err
	}
	stop := clock()
	f, err := os.Open(path)
	if err != nil {
		return Cost{}, err
	}
	defer f.Close()
	header := int64(len(m.cut.Header()))
	err = m.each(ctx, func(i int, buf []byte) error {
		shard := m.cut.Shard(i)
		if _, err := f.ReadAt(buf[:shard.Bytes], header+int64(shard.Offset)); err != nil {
			return err
		}
		if block.Sum(block.Raw, buf[:shard.Bytes]) != m.shards[i].CID {
			return fmt.Errorf("shard %d was read otherwise than written", i)
		}
		return nil
	})
	return stop(), errors.Join(err, os.Remove(path))
}

// each handles all shards on all processors, each with a buffer of its own.
func (m *model) each(ctx context.Context, f func(i int, buf []byte) error) error {
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for k := range workers {
		g.Go(func() error {
			buf := make([]byte, tensor.MaxShardBytes)
			for i := k; i < m.cut.Len(); i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(i, buf); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (s Store) append(m *model) (_ Cost, err error) {
	path := filepath.Join(s.Dir, "appended")
	stop := clock()
	f, err := os.Create(path)
	if err != nil {
		return Cost{}, err
	}
	for i := range m.cut.Len() {
		if _, err := f.Write(m.shard(i)); err != nil {
			return Cost{}, errors.Join(err, f.Close())
		}
	}
	err = f.Sync()
	return stop(), errors.Join(err, f.Close(), os.Remove(path))
}

func (s Store) take(ctx context.Context, m *model, store blockstore.Store, path string, durable bool) (Cost, error) {
	if err := m.write(path, durable); err != nil {
		return Cost{}, err
	}
	stop := clock()
	id, err := store.Import(ctx, path, blockstore.ImportOptions{Finite: true})
	took := stop()
	if err != nil {
		return took, err
	}
	return took, store.DeleteArtifact(id)
}

func (s Store) fetched(ctx context.Context, m *model, store blockstore.Store) (Cost, error) {
	stop := clock()
	w, err := store.Create(m.manifest, m.layout, blockstore.WriteOptions{Finite: true})
	if err != nil {
		return Cost{}, err
	}
	err = m.each(ctx, func(i int, _ []byte) error { return w.WriteShard(m.shards[i]) })
	if err != nil {
		return Cost{}, errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return Cost{}, err
	}
	return stop(), store.DeleteArtifact(m.manifest.CID)
}
