package node

import (
	"context"
	"errors"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/jobs"
)

// vault hands the operator what is in the store.
type vault struct {
	store *blockstore.Disk
	shelf *shelf
	jobs  *jobs.Jobs
	views *views
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
func (v *vault) Model(ctx context.Context, run, c block.CID) (size int64, write func(io.Writer) error, err error) {
	var beside ledger.Beside
	if spec := v.views.now().runs[run]; spec != nil {
		if beside, err = spec.Constants.Read(); err != nil {
			return 0, nil, err
		}
	}
	m, err := checkpoint.OpenModel(v.store.Open, c, beside)
	if err != nil {
		return 0, nil, err
	}
	// Writing verifies too, but when its first byte is out an error can only cut the connection.
	err = v.jobs.Check(ctx, c)
	if err == nil && beside.Tensors.Defined() {
		err = v.jobs.Check(ctx, beside.Tensors)
	}
	if err == nil {
		size, err = m.Size()
	}
	if err != nil {
		return 0, nil, errors.Join(err, m.Close())
	}
	return size, func(w io.Writer) error { return errors.Join(m.Write(w), m.Close()) }, nil
}
