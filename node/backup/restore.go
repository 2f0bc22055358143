package backup

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
)

// Restore makes a site of a backup, in a directory that is none. Its log begins anew, and says that an earlier one is gone.
func Restore(from, dir string, progress func(name string, done, total int64)) (*Report, error) {
	info, err := Read(from)
	if err != nil {
		return nil, hint.Add(err, "weft backup makes one; if it was interrupted, run it again")
	}
	if info.Partial {
		return nil, hint.Add(fmt.Errorf("%s: %w: it was never finished", from, ErrNone), "run weft backup again, it goes on; or take another")
	}
	for _, name := range []string{site.KeyFile, site.ConfigFile, site.LogFile} {
		if exists(filepath.Join(dir, name)) {
			return nil, hint.Add(fmt.Errorf("%s is a site's directory: it has a %s", dir, name), "restore into a new directory (--dir); if this site is the one to be replaced, stop its node and move the directory away")
		}
	}
	id, _, err := site.Identify(from)
	if err != nil {
		return nil, err
	}
	if id != info.ID {
		return nil, hint.Add(fmt.Errorf("%s: %s says site %s, and %s is the key of %s", from, File, info.ID, site.KeyFile, id), "this backup was put together of two: take another")
	}
	c := &copying{from: from, to: dir, report: &Report{Info: *info}, progress: progress, wants: func(path string) bool { return path != File }}
	if err := c.run(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, site.StoreDir), 0o700); err != nil { // by which weft mesh join knows that the key has been up
		return nil, err
	}
	if !info.Mesh.Defined() {
		return c.report, nil
	}
	g, err := site.ReadGenesis(dir)
	if err != nil {
		return nil, err
	}
	return c.report, wal.Create(filepath.Join(dir, site.LogFile), round.Born{Mesh: g.Block().CID, Site: info.ID, Lost: true})
}
