package node

import (
	"context"
	"errors"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/node/jobs"
)

// vault hands the operator what is in the store.
type vault struct {
	store *blockstore.Disk
	shelf *shelf
	jobs  *jobs.Jobs
}

// Block returns a block that the site holds, verified.
func (v *vault) Block(c block.CID) ([]byte, error) {
	data, err := v.shelf.Get(c)
	if err == nil {
		err = c.Verify(data)
	}
	return data, err
}

// Model returns a model's bytes as a safetensors file, and what writes it.
func (v *vault) Model(ctx context.Context, c block.CID) (size int64, write func(io.Writer) error, err error) {
	a, err := v.store.Open(c)
	if err != nil {
		return 0, nil, err
	}
	size = int64(len(a.Layout.SafetensorsHeader())) + int64(a.Manifest.Bytes)
	// Export verifies too, but when its first byte is out an error can only cut the connection.
	if err := errors.Join(v.jobs.Check(ctx, c), a.Close()); err != nil {
		return 0, nil, err
	}
	return size, func(w io.Writer) error { return v.store.Export(c, w) }, nil
}
