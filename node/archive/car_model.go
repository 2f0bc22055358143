package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

// Source gives out blocks, and models as files, as a node and an [Archive] do.
type Source interface {
	Block(ctx context.Context, id block.CID) ([]byte, error)
	Model(ctx context.Context, run, manifest block.CID) (io.ReadCloser, error)
}

// WriteModelCAR writes artifacts as a CAR file whose roots are their manifests: DAGs of manifest, layout and shards, all of which
// are in the file.
func WriteModelCAR(ctx context.Context, w io.Writer, from Source, manifests ...block.CID) error {
	return WriteCAR(w, manifests, func(yield func(block.Block, error) bool) {
		out := modelBlocks{yield: yield, done: map[block.CID]bool{}}
		for _, manifest := range manifests {
			if err := out.artifact(ctx, from, manifest); err != nil {
				yield(block.Block{}, fmt.Errorf("model %s: %w", manifest, err))
				return
			}
		}
	})
}

// modelBlocks yields blocks, each once.
type modelBlocks struct {
	yield func(block.Block, error) bool
	done  map[block.CID]bool
}

// put yields a block.
func (o *modelBlocks) put(b block.Block) error {
	if err := b.CID.Verify(b.Data); err != nil {
		return err
	}
	if o.done[b.CID] {
		return nil
	}
	o.done[b.CID] = true
	if !o.yield(b, nil) {
		return errors.New("nobody reads on")
	}
	return nil
}

// artifact yields the blocks of an artifact.
func (o *modelBlocks) artifact(ctx context.Context, from Source, manifest block.CID) (err error) {
	data, err := o.fetch(ctx, from, manifest)
	if err != nil {
		return err
	}
	m, err := blockstore.DecodeManifest(data)
	if err != nil {
		return err
	}
	if data, err = o.fetch(ctx, from, m.Layout); err != nil {
		return err
	}
	l, err := tensor.DecodeLayout(data)
	if err == nil {
		err = m.Validate(l)
	}
	if err != nil {
		return err
	}
	file, err := from.Model(ctx, block.CID{}, manifest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return o.shards(file, m, l)
}

// fetch yields a block that is stored by itself, and returns its bytes.
func (o *modelBlocks) fetch(ctx context.Context, from Source, id block.CID) ([]byte, error) {
	data, err := from.Block(ctx, id)
	if err != nil {
		return nil, err
	}
	return data, o.put(block.Block{CID: id, Data: data})
}

// shards yields an artifact's shards, which are ranges of the data of its file.
func (o *modelBlocks) shards(file io.Reader, m blockstore.Manifest, l tensor.Layout) error {
	var size [8]byte
	if _, err := io.ReadFull(file, size[:]); err != nil {
		return err
	}
	header := binary.LittleEndian.Uint64(size[:])
	if header > tensor.MaxHeader {
		return fmt.Errorf("a header of %d bytes", header)
	}
	if _, err := io.CopyN(io.Discard, file, int64(header)); err != nil {
		return err
	}
	cut, err := l.Cut(m.ShardElements)
	if err != nil {
		return err
	}
	for i, c := range m.Shards {
		data := make([]byte, cut.Shard(i).Bytes)
		if _, err := io.ReadFull(file, data); err != nil {
			return err
		}
		if err := o.put(block.Block{CID: c, Data: data}); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	return nil
}
