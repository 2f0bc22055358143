package blockstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/weft-mesh/weft/block"
)

// store is what Disk and Memory have in common: all but the file system.
//
// Locks are taken in this order, each held for as short as its column says:
//
//	Writer.io       a write        Close, Commit and Abort wait for WriteShards under way
//	artifactLanes   an fsync       one change of an artifact's files at a time
//	blockLanes      an fsync       one change of a block's file at a time
//	mu              a system call  what is in the store; renames and opens, so that a path is
//	                               never stale between looking it up and opening it
type store struct {
	fs      fsys
	outside fsys // where files to import lie
	dir     string
	opt     Options
	log     *slog.Logger
	lock    io.Closer
	temp    atomic.Uint64 // names of temporary files

	artifactLanes lanes
	blockLanes    lanes
	fanned        [fanOut]bool // directories of blocks that exist; the block's lane guards each

	mu         sync.RWMutex
	closed     bool
	blocks     map[block.CID]int64 // sizes of those that were put
	blockBytes uint64
	items      map[block.CID]*item
	layouts    map[block.CID]*layoutUse
	shards     shardIndex
	builders   map[*Builder]bool // those not ended
}

// lanes lets goroutines change different things at once, but one thing one at a time.
type lanes [64]sync.Mutex

// lock locks c's lane. Blocks of one directory share one.
func (l *lanes) lock(c block.CID) (unlock func()) {
	d := c.Digest()
	m := &l[d[0]%64]
	m.Lock()
	return m.Unlock
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

func (s *store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// fanPath returns the directory of blocks whose digest begins with a byte.
func (s *store) fanPath(first int) string { return s.path(blockDir, fmt.Sprintf("%02x", first)) }

func (s *store) blockPath(c block.CID) string {
	d := c.Digest()
	return filepath.Join(s.fanPath(int(d[0])), c.String())
}

func (s *store) artifactPath(c block.CID) string { return s.path(artifactDir, c.String()+artifactExt) }
func (s *store) partialPath(c block.CID) string  { return s.path(partialDir, c.String()+artifactExt) }
func (s *store) recordPath(c block.CID) string   { return s.path(partialDir, c.String()+recordExt) }

func (s *store) tempPath() string {
	return s.path(tempDir, strconv.FormatUint(s.temp.Add(1), 10))
}

// relative returns a path as errors show it.
func (s *store) relative(path string) string {
	if r, err := filepath.Rel(s.dir, path); err == nil {
		return r
	}
	return path
}

// writeFile makes a file with the given content appear under a name, durable on return. A
// crash leaves all of it or nothing.
func (s *store) writeFile(name, temp string, data []byte) error {
	f, err := s.fs.Create(temp)
	if err != nil {
		return full(err)
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.fs.Rename(temp, name)
	}
	if err != nil {
		return full(errors.Join(err, s.discard(temp)))
	}
	return full(s.fs.SyncDir(filepath.Dir(name)))
}

// readFile returns the content of a file of at most limit bytes.
func (s *store) readFile(name string, limit int64) ([]byte, error) {
	f, err := s.fs.Open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", s.relative(name), info.Size(), limit)
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
func (s *store) discard(name string) error {
	if err := s.fs.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Stat implements Store.
func (s *store) Stat() Stat {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := Stat{Blocks: len(s.blocks), BlockBytes: s.blockBytes}
	for _, it := range s.items {
		i := it.info()
		if st.ArtifactBytes += i.Bytes; i.State == Complete {
			st.Artifacts++
		} else {
			st.Partials++
		}
	}
	return st
}

// Close implements Store.
func (s *store) Close() error {
	s.mu.Lock()
	var writers []*Writer
	for _, it := range s.items {
		if it.writer != nil {
			writers = append(writers, it.writer)
		}
	}
	builders := slices.Collect(maps.Keys(s.builders))
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	for _, w := range writers {
		errs = append(errs, w.Close())
	}
	for _, b := range builders {
		errs = append(errs, b.Abort())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
