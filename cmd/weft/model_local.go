package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/checkpoint"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/train"
)

// openPersonal returns the file of a model with the tensors that this site has its own of. They lie in its directory, and the node
// gives them to nobody.
func openPersonal(ctx context.Context, e *env, from reader, model block.CID, of *api.RunStatus) (io.ReadCloser, error) {
	beside, err := of.Spec.Constants.Read()
	if err != nil {
		return nil, err
	}
	if len(beside.Local) == 0 {
		return nil, fail(nil, "leave --local out: the model is whole", "run %s leaves no tensors at the sites", of.Name)
	}
	own, err := os.Open(filepath.Join(e.dir, site.StateDir, of.ID.String(), train.LocalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(nil, "without --local the common model is written", "this site has no tensors of its own of run %s yet: none of its updates has been taken", of.Name)
	}
	if err != nil {
		return nil, err
	}
	common, err := from.Model(ctx, of.ID, model)
	if err != nil {
		return nil, errors.Join(err, own.Close())
	}
	e.err.Printf("weft: with this site's own %s, as its last update left them\n", strings.Join(beside.Local, " "))
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(errors.Join(checkpoint.Merge(w, common, own, beside.Metadata(), checkpoint.Leave{Optimizer: true}), common.Close(), own.Close()))
	}()
	return r, nil
}
