package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/tensor"
)

// Imported is a checkpoint in a store, in parts.
type Imported struct {
	Weights block.CID // manifest
	Beside  ledger.Beside
	Local   []string // the names of tensors that each site has its own of
	Rounded Rounded
	Widened []string // types of weights that were taken in as F32
}

// Note says for a person what the import has changed, empty if nothing.
func (i *Imported) Note() string {
	var notes []string
	if rounded := i.Rounded.String(); rounded != "" {
		notes = append(notes, rounded)
	}
	if n := len(i.Local); n > 0 {
		notes = append(notes, fmt.Sprintf("%d tensors stay at each site, %s the first", n, i.Local[0]))
	}
	if len(i.Widened) > 0 {
		notes = append(notes, fmt.Sprintf("the run's models are F32, so that small steps count: this one is in %s (dtype: keep saves the bytes)", strings.Join(i.Widened, ", ")))
	}
	return strings.Join(notes, "; ")
}

// Import takes a checkpoint into a store. What has to be written anew for that lies meanwhile in a folder below dir, which should
// be on the store's disk. With opt.Keep the checkpoint stays as it is. local are patterns of the tensors that each site has its own of.
func Import(ctx context.Context, store *blockstore.Disk, path, dir string, local tensor.Patterns, opt blockstore.ImportOptions) (i Imported, err error) {
	c, err := Open(path)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	local = c.localState(local)
	if err := c.SetLocal(local); err != nil {
		return i, err
	}
	i.Local, i.Beside.Adapter, i.Beside.Frozen = c.localNames(), c.adapter, c.frozen
	if opt.Wide {
		i.Widened = c.narrow()
	}
	if c.Plain() {
		i.Weights, err = store.Import(ctx, c.Path(), opt)
		return i, err
	}
	work, err := os.MkdirTemp(dir, "split-")
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	p, err := c.Split(ctx, work)
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w: %w", blockstore.ErrFull, err)
	}
	if err != nil {
		return i, err
	}
	i.Beside, i.Rounded = ledger.Beside{Aliases: p.Aliases, Local: local, Adapter: c.adapter, Frozen: c.frozen}, p.Rounded
	opt.Keep = false
	if i.Weights, err = store.Import(ctx, p.Weights, opt); err != nil || p.Constants == "" {
		return i, err
	}
	i.Beside.Tensors, err = store.Import(ctx, p.Constants, blockstore.ImportOptions{Finite: opt.Finite})
	return i, err
}
