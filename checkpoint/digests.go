package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/block"
)

const (
	maxDigests     = 4096            // files in the cache
	maxDigestsFile = 4 << 20         // bytes of it
	settled        = 2 * time.Second // since the last change of a file, before its digest is kept: a second change might have the same time
)

// Digests is a cache of files' digests, for folders of many gigabytes that are looked at whenever a script starts. A digest counts as
// long as the file of that path has the size, the time of its last change, and the inode that it had.
type Digests struct {
	path string

	mu    sync.Mutex
	files map[string]digestOf
	dirty bool
}

// digestOf is what the cache has of a file.
type digestOf struct {
	Size    int64     `json:"size"` // bytes
	Changed int64     `json:"changed"`
	Inode   uint64    `json:"inode"`
	Sum     block.CID `json:"sum"`
}

// OpenDigests reads the cache of this user. A cache that cannot be read is an empty one.
func OpenDigests() *Digests {
	d := &Digests{files: map[string]digestOf{}}
	dir, err := os.UserCacheDir()
	if err != nil {
		return d // nowhere to keep it
	}
	d.path = filepath.Join(dir, "weft", "digests.json")
	info, err := os.Stat(d.path)
	if err != nil || info.Size() > maxDigestsFile {
		return d
	}
	data, err := os.ReadFile(d.path)
	if err != nil || json.Unmarshal(data, &d.files) != nil || d.files == nil {
		d.files = map[string]digestOf{}
	}
	return d
}

// Close writes the cache if it has learnt anything.
func (d *Digests) Close() error {
	if !d.dirty || d.path == "" {
		return nil
	}
	for path := range d.files {
		if len(d.files) <= maxDigests {
			break
		}
		delete(d.files, path) // any: it is hashed again
	}
	data, err := json.Marshal(d.files)
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(d.path), 0o700), atomicfile.Write(d.path, data, 0o600)); err != nil {
		return fmt.Errorf("cache of digests: %w", err)
	}
	return nil
}

// known returns the digest of a file that has not changed, undefined if it has, or nothing is known of it.
func (d *Digests) known(f found) block.CID {
	if d == nil {
		return block.CID{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now, ok := identity(f.info)
	was := d.files[f.path]
	now.Sum = was.Sum
	if !ok || was != now {
		return block.CID{}
	}
	return was.Sum
}

// keep notes the digest of a file.
func (d *Digests) keep(f found, sum block.CID) {
	if d == nil || time.Since(f.info.ModTime()) < settled {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now, ok := identity(f.info); ok {
		now.Sum = sum
		d.files[f.path], d.dirty = now, true
	}
}

// identity returns what tells a file from one that is there later.
func identity(info fs.FileInfo) (id digestOf, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return id, false
	}
	return digestOf{Size: info.Size(), Changed: info.ModTime().UnixNano(), Inode: s.Ino}, true
}
