package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
)

// readSite returns the peer ID and the configuration of a directory that `weft init` made.
func readSite(dir string) (peer.ID, *config.Config, error) {
	path := filepath.Join(dir, "key")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil, fail(site.ErrNotInitialised, "run weft init, or name the directory with --dir", "%s", dir)
	} else if err != nil {
		return "", nil, err
	}
	key, err := site.LoadOrCreateKey(path)
	if err != nil {
		return "", nil, err
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return "", nil, err
	}
	c, err := config.Read(filepath.Join(dir, "config.yaml"))
	return id, c, err
}
