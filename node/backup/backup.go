package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/site"
)

// File says what a backup is of. It is written before the first file is copied, and again after the last.
const File = "backup.json"

// maxInfo bounds the file that says what a backup is of.
const maxInfo = 1 << 16

// ErrNone says that a folder is no backup of a site.
var ErrNone = errors.New("no backup of a site")

// Info says what a backup is of.
type Info struct {
	Site string    `json:"site"` // its name
	ID   peer.ID   `json:"id"`
	Mesh block.CID `json:"mesh,omitzero"` // undefined: the site was in none yet
	Time time.Time `json:"time"`

	Partial bool `json:"partial,omitempty"` // it is being made for the first time, or that was interrupted
}

// Report says what was copied.
type Report struct {
	Info
	Files  int   `json:"files"`  // in the backup
	Bytes  int64 `json:"bytes"`  // of them
	Copied int64 `json:"copied"` // bytes that were not there already
}

// Options say what a backup has, and who hears how far it is.
type Options struct {
	NoModels bool                                 // leave models out: the other sites have them
	Progress func(name string, done, total int64) // bytes; nil: nobody
}

// Save copies a site's directory, whose node may be running, into a folder: a new one, or one that has an earlier backup of the same
// site, of which what has not changed stays.
func Save(dir, to string, o Options) (*Report, error) {
	info, err := describe(dir)
	if err != nil {
		return nil, err
	}
	if err := mayReplace(to, info); err != nil {
		return nil, err
	}
	models, err := index.Models(filepath.Join(dir, site.IndexFile))
	if err != nil {
		return nil, err
	}
	c := &copying{from: dir, to: to, report: &Report{Info: *info}, progress: o.Progress, wants: func(path string) bool {
		return belongs(path, models, o.NoModels)
	}}
	if !exists(filepath.Join(to, File)) {
		first := *info
		first.Partial = true
		if err := first.write(to); err != nil {
			return nil, err
		}
	}
	if err := c.run(); err != nil {
		return nil, err
	}
	if err := c.prune(); err != nil {
		return nil, err
	}
	return c.report, info.write(to)
}

// write writes the file that says what a backup is of.
func (i *Info) write(to string) error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(to, File), append(data, '\n'), 0o600)
}

// describe reads what a site's directory is of.
func describe(dir string) (*Info, error) {
	id, name, err := site.Identify(dir)
	if err != nil {
		return nil, err
	}
	info := &Info{Site: name, ID: id, Time: time.Now().UTC().Truncate(time.Second)}
	switch g, err := site.ReadGenesis(dir); {
	case errors.Is(err, site.ErrNoMesh):
	case err != nil:
		return nil, err
	default:
		info.Mesh = g.Block().CID
	}
	return info, nil
}

// mayReplace refuses a folder that has something else than an earlier backup of the site.
func mayReplace(to string, info *Info) error {
	entries, err := os.ReadDir(to)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := Read(to)
	if errors.Is(err, ErrNone) {
		return hint.Add(fmt.Errorf("%s is not empty: %w", to, err), "name a new folder, or one that weft backup has made")
	}
	if err != nil {
		return err
	}
	if old.ID != info.ID {
		return hint.Add(fmt.Errorf("%s is a backup of another site, %q", to, old.Site), "each site needs a folder of its own")
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Read says what a backup is of.
func Read(from string) (*Info, error) {
	f, err := os.Open(filepath.Join(from, File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: it has no %s", from, ErrNone, File)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, maxInfo+1)
	n, err := readUpTo(f, data)
	if err != nil {
		return nil, err
	}
	return decodeInfo(data[:n])
}

func decodeInfo(data []byte) (*Info, error) {
	var info Info
	if len(data) > maxInfo {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", File, ErrNone, maxInfo)
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", File, ErrNone, err)
	}
	if info.ID == "" {
		return nil, fmt.Errorf("%s: %w: it names no site", File, ErrNone)
	}
	return &info, nil
}
