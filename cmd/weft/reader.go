package main

import (
	"context"
	"errors"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node"
)

// reader is what a site has decided and keeps: its node's answers, or what lies in its directory while that does not run.
type reader interface {
	Status(ctx context.Context) (*node.Status, error)
	Roster(ctx context.Context) (node.Roster, error)
	Ledger(ctx context.Context, from uint64, limit int) ([]node.LedgerEntry, error)
	Block(ctx context.Context, id block.CID) ([]byte, error)
	Model(ctx context.Context, manifest block.CID) (io.ReadCloser, error)
}

var (
	_ reader = (*node.Client)(nil)
	_ reader = (*node.Archive)(nil)
)

// reader returns the node, or its directory if it does not run.
func (e *env) reader(ctx context.Context) (reader, error) {
	c := e.client()
	_, down := c.Status(ctx)
	if !errors.Is(down, node.ErrNotRunning) {
		return c, down
	}
	archive, err := node.OpenArchive(e.dir)
	switch {
	case errors.Is(err, node.ErrNoMesh):
		return nil, down // there is nothing to read but from a node
	case err != nil:
		return nil, verifyError(err)
	}
	e.err.Printf("weft: the node does not run; this is what its directory holds\n")
	return archive, nil
}
