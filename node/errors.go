package node

import (
	"errors"

	advice "github.com/weft-mesh/weft/hint"
)

// What keeps a site's directory or node from being used.
var (
	ErrNotInitialised = errors.New("not a site's directory")
	ErrNoMesh         = errors.New("the site belongs to no mesh yet")
	ErrGenesis        = errors.New("genesis is damaged")
	ErrExists         = errors.New("exists already")
	ErrInUse          = errors.New("another node runs in this directory")
	ErrNotRunning     = errors.New("the site's node is not running")
	ErrSocketPath     = errors.New("path too long for a Unix socket")
	ErrConfig         = errors.New("configuration")
	ErrLog            = errors.New("log is damaged")
	ErrStopped        = errors.New("the node has stopped")
	ErrCAR            = errors.New("no good CAR file")
	ErrChain          = errors.New("the ledger does not verify")
)

// HintError is an error with what to do about it.
type HintError = advice.Error

// hint adds to an error what to do about it.
func hint(err error, text string) error { return advice.Add(err, text) }
