package api

import "errors"

// Why a client gets no answer.
var (
	ErrNotRunning = errors.New("the site's node is not running")
	ErrSocketPath = errors.New("path too long for a Unix socket")
	ErrStopped    = errors.New("the node has stopped")
)
