package main

import (
	"context"
	"errors"
	"io"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
)

// reader is what a site has decided and keeps: its node's answers, or what lies in its directory while that does not run.
type reader interface {
	Status(ctx context.Context) (*api.Status, error)
	Full(ctx context.Context) (*api.Status, error)
	Steps(ctx context.Context, run block.CID) ([]api.TrainingSteps, error)
	Roster(ctx context.Context) (api.Roster, error)
	Ledger(ctx context.Context, from uint64, limit int) ([]api.LedgerEntry, error)
	Block(ctx context.Context, id block.CID) ([]byte, error)
	Model(ctx context.Context, run, manifest block.CID) (io.ReadCloser, error)
}

var (
	_ reader = (*api.Client)(nil)
	_ reader = (*archive.Archive)(nil)
)

// reader returns the node, or its directory if it does not run.
func (e *env) reader(ctx context.Context) (reader, error) {
	c := e.client()
	_, down := c.Status(ctx)
	if !errors.Is(down, api.ErrNotRunning) {
		return c, down
	}
	archive, err := archive.Open(e.dir)
	switch {
	case errors.Is(err, site.ErrNoMesh):
		return nil, down // there is nothing to read but from a node
	case err != nil:
		return nil, verifyError(err)
	}
	e.err.Printf("weft: the node does not run; this is what its directory holds\n")
	return archive, nil
}
