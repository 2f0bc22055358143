package blockstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/weft-mesh/weft/block"
)

// folder is a store's directory: where things lie in it, and how small files are written and
// read whole. It has no lock: what it knows never changes, but for the counter.
//
// It replaces files itself, by the steps of package atomicfile, because a store reaches the disk
// through fsys alone: that is how the crash tests lose power at each of these steps.
type folder struct {
	fs   fsys
	dir  string
	log  *slog.Logger
	temp atomic.Uint64 // names of temporary files

	reserve atomic.Uint64 // bytes that stay free; 0: see claim
}

// The directory of a store. A name that ends in a slash is a directory.
const (
	lockName    = "lock"      // locked while open; the process ID of who has it
	formatName  = "format"    // formatText, written when all else is there
	blockDir    = "blocks"    // blocks/xx/CID: xx is the digest's first byte in hexadecimal
	artifactDir = "artifacts" // artifacts/CID.safetensors: complete ones
	partialDir  = "partial"   // partial/CID.safetensors and partial/CID.held: see record
	tempDir     = "tmp"       // files that mean nothing after a crash
	artifactExt = ".safetensors"
	recordExt   = ".held"
	formatText  = "weft blockstore 1\n"
	maxFormat   = 100 // bytes read of a format file
	fanOut      = 256 // so 100,000 blocks are some 400 a directory
)

func (d *folder) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

// fanPath returns the directory of blocks whose digest begins with a byte.
func (d *folder) fanPath(first int) string { return d.path(blockDir, fmt.Sprintf("%02x", first)) }

func (d *folder) blockPath(c block.CID) string {
	digest := c.Digest()
	return filepath.Join(d.fanPath(int(digest[0])), c.String())
}

func (d *folder) artifactPath(c block.CID) string { return d.path(artifactDir, c.String()+artifactExt) }
func (d *folder) partialPath(c block.CID) string  { return d.path(partialDir, c.String()+artifactExt) }
func (d *folder) recordPath(c block.CID) string   { return d.path(partialDir, c.String()+recordExt) }

func (d *folder) tempPath() string {
	return d.path(tempDir, strconv.FormatUint(d.temp.Add(1), 10))
}

// relative returns a path as errors show it.
func (d *folder) relative(path string) string {
	if r, err := filepath.Rel(d.dir, path); err == nil {
		return r
	}
	return path
}

// writeFile makes a file with the given content appear under a name, durable on return. A
// crash leaves all of it or nothing.
func (d *folder) writeFile(name, temp string, data []byte) error {
	f, err := d.fs.Create(temp)
	if err != nil {
		return full(err)
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.fs.Rename(temp, name)
	}
	if err != nil {
		return full(errors.Join(err, d.discard(temp)))
	}
	return full(d.fs.SyncDir(filepath.Dir(name)))
}

// readFile returns the content of a file of at most limit bytes.
func (d *folder) readFile(name string, limit int64) ([]byte, error) {
	f, err := d.fs.Open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", d.relative(name), info.Size(), limit)
	}
	data := make([]byte, info.Size())
	return data, readFull(f, data, 0)
}

// readFull reads len(p) bytes at an offset.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// discard removes a file if it is there.
func (d *folder) discard(name string) error {
	if err := d.fs.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// settle makes the file of a complete artifact durable under its name, and removes what is
// left of it under partial: in this order, as a crash in between must not lose both.
func (d *folder) settle(c block.CID) error {
	if err := d.fs.SyncDir(d.path(artifactDir)); err != nil {
		return err
	}
	if err := errors.Join(d.discard(d.recordPath(c)), d.discard(d.partialPath(c))); err != nil {
		return err
	}
	return d.fs.SyncDir(d.path(partialDir))
}

// syncArtifacts makes durable which artifacts there are.
func (d *folder) syncArtifacts() error {
	return errors.Join(d.fs.SyncDir(d.path(artifactDir)), d.fs.SyncDir(d.path(partialDir)))
}

// protect guards the file of a complete artifact against mistakes. Failing to is no reason
// not to have it.
func (d *folder) protect(c block.CID) {
	if err := d.fs.Protect(d.artifactPath(c), true); err != nil {
		d.log.Warn("Cannot make an artifact read-only", "manifest", c, "err", err)
	}
}
