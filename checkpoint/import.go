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
)

// Imported is a checkpoint in a store, in parts.
type Imported struct {
	Weights   block.CID // manifest
	Constants block.CID // another; undefined: none
	Aliases   map[string]string
	Rounded   Rounded
	Widened   []string // types of weights that were taken in as F32
}

// Note says for a person what the import has changed, empty if nothing.
func (i *Imported) Note() string {
	note := i.Rounded.String()
	if len(i.Widened) == 0 {
		return note
	}
	if note != "" {
		note += "; "
	}
	return note + fmt.Sprintf("the run's models are F32, so that small steps count: this one is in %s (dtype: keep saves the bytes)", strings.Join(i.Widened, ", "))
}

// Import takes a checkpoint into a store. What has to be written anew for that lies meanwhile in a folder below dir, which should
// be on the store's disk. With opt.Keep the checkpoint stays as it is.
func Import(ctx context.Context, store *blockstore.Disk, path, dir string, opt blockstore.ImportOptions) (i Imported, err error) {
	c, err := Open(path)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
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
	i.Aliases, i.Rounded = p.Aliases, p.Rounded
	opt.Keep = false
	if i.Weights, err = store.Import(ctx, p.Weights, opt); err != nil || p.Constants == "" {
		return i, err
	}
	i.Constants, err = store.Import(ctx, p.Constants, blockstore.ImportOptions{})
	return i, err
}
