package blockstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weft-mesh/weft/block"
)

// Options of a store. The zero value is fit for use.
type Options struct {
	// Logger is told what was found damaged when the store opened; nil for none.
	Logger *slog.Logger
	// SyncBytes is how much a Writer writes before it makes that durable of its own accord:
	// what a crash can cost to fetch again. 256 MiB if 0.
	SyncBytes uint64
	// ScrubBytesPerSecond slows Scrub, so that training and rounds do not wait for the disk;
	// no limit if 0.
	ScrubBytesPerSecond uint64
	// Reserve is how many bytes of the disk artifacts leave free. 1 GiB if 0, or a twentieth of the disk if that is less.
	Reserve uint64
}

const defaultSyncBytes = 256 << 20

// Disk is a store in a directory of its own. One process at a time has it open.
type Disk struct{ *store }

// Memory is a store in memory. It has the same code as Disk above the file system; what it
// holds ends with it. Import reads files, and always leaves them where they are.
type Memory struct{ *store }

// OpenDisk opens the store in dir, making it if dir is missing or empty. After a crash, it
// finds all that was durable, and clears away the rest. It returns ErrLocked, naming the
// process, while another has the store open, and ErrFormat for a directory that is not a store.
func OpenDisk(dir string, opt Options) (*Disk, error) {
	dir, err := filepath.Abs(dir) // the process may change its directory
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s, err := open(osFS{}, osFS{}, dir, opt)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return &Disk{s}, nil
}

// NewMemory returns an empty store in memory.
func NewMemory(opt Options) *Memory {
	s, err := open(newMemFS(), osFS{}, string(filepath.Separator), opt)
	if err != nil {
		panic(err) // memory has no errors
	}
	return &Memory{s}
}

// Path returns the safetensors file of a complete artifact, for a trainer to read, not to
// change. The file stays until the artifact is deleted; who has it open then can go on
// reading. A header that went bad is repaired. It returns ErrNotFound or ErrIncomplete.
func (d *Disk) Path(manifest block.CID) (string, error) {
	a, err := d.Open(manifest)
	if err != nil {
		return "", err
	}
	defer a.Close()
	if bad := a.checkHeader(); bad != nil {
		if err := d.scrubber.repairHeader(a); err != nil {
			return "", errors.Join(bad, err)
		}
		d.files.log.Warn("Repaired a header", "err", bad)
	}
	return a.path, nil
}

func open(fsys, outside fsys, dir string, opt Options) (*store, error) {
	log := opt.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	syncBytes := opt.SyncBytes
	if syncBytes == 0 {
		syncBytes = defaultSyncBytes
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, full(err)
	}
	files := &folder{fs: fsys, dir: dir, log: log}
	files.reserve.Store(opt.Reserve)
	lock, err := fsys.Lock(files.path(lockName), "process "+strconv.Itoa(os.Getpid()))
	if err != nil {
		return nil, full(err)
	}
	s := &store{contents: contents{newBlocks(files), newCatalog(files)}, files: files, outside: outside, lock: lock}
	s.artifacts = &artifacts{contents: s.contents, files: files, syncBytes: syncBytes}
	s.scrubber = &scrubber{contents: s.contents, files: files, artifacts: s.artifacts, rate: opt.ScrubBytesPerSecond}
	if err := (recovery{files, s.blocks, s.catalog, s.Get}).run(); err != nil {
		return nil, errors.Join(full(err), lock.Close())
	}
	return s, nil
}
