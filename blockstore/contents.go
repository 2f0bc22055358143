package blockstore

import (
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// contents is what can be read by CID: blocks that were put, and shards of artifacts.
type contents struct {
	blocks  *blocks
	catalog *catalog
}

func (x contents) has(c block.CID) bool { return x.blocks.has(c) || x.catalog.hasShard(c) }

// read returns a block's bytes and where they lie: the place of a shard, nil for a block
// that was put.
func (x contents) read(c block.CID, buf []byte) ([]byte, *place, error) {
	f, offset, size, at, err := x.locate(c)
	if err != nil {
		return nil, at, fmt.Errorf("block %s: %w", c, err)
	}
	defer f.Close()
	buf = sized(buf, size)
	if err := readFull(f, buf, offset); err != nil {
		return nil, at, fmt.Errorf("block %s: %w", c, err)
	}
	return buf, at, nil
}

// locate opens the file in which a block lies.
func (x contents) locate(c block.CID) (f file, offset int64, size int, at *place, err error) {
	if f, size, err = x.blocks.open(c); !errors.Is(err, ErrNotFound) {
		return f, 0, size, nil, err
	}
	if f, offset, size, at, err = x.catalog.openShard(c); !errors.Is(err, ErrNotFound) {
		return f, offset, size, at, err
	}
	// It may have been put since the first look, and its artifact deleted after that.
	f, size, err = x.blocks.open(c)
	return f, 0, size, nil, err
}
