package blockstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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
		if err := d.repairHeader(a); err != nil {
			return "", errors.Join(bad, err)
		}
		d.log.Warn("Repaired a header", "err", bad)
	}
	return a.path, nil
}

func open(fsys, outside fsys, dir string, opt Options) (*store, error) {
	s := &store{
		fs: fsys, outside: outside, dir: dir, opt: opt, log: opt.Logger,
		blocks:   make(map[block.CID]int64),
		items:    make(map[block.CID]*item),
		layouts:  make(map[block.CID]*layoutUse),
		shards:   newShardIndex(),
		builders: make(map[*Builder]bool),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.opt.SyncBytes == 0 {
		s.opt.SyncBytes = defaultSyncBytes
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, full(err)
	}
	lock, err := fsys.Lock(s.path(lockName), "process "+strconv.Itoa(os.Getpid()))
	if err != nil {
		return nil, full(err)
	}
	s.lock = lock
	for _, step := range []func() error{s.checkFormat, s.clearTemp, s.findBlocks, s.findArtifacts, s.findPartials} {
		if err := step(); err != nil {
			return nil, errors.Join(full(err), lock.Close())
		}
	}
	return s, nil
}

// dirs are the directories that every store has.
var dirs = []string{tempDir, partialDir, artifactDir, blockDir}

func (s *store) makeDirs() error {
	for _, dir := range dirs {
		if err := s.fs.MkdirAll(s.path(dir)); err != nil {
			return err
		}
	}
	return nil
}

// checkFormat makes the directories of a new store, and refuses what is no store: clearing
// the tmp of a user's home would be a sad mistake.
func (s *store) checkFormat() error {
	text, err := s.readFile(s.path(formatName), maxFormat)
	switch {
	case err == nil && string(text) == formatText:
		return s.makeDirs() // a backup may have left out empty ones
	case err == nil:
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, text, formatText)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := s.makeDirs(); err != nil {
		return err
	}
	temp := s.path(formatName + ".new")
	for _, dir := range slices.Concat(dirs, []string{""}) {
		infos, err := s.fs.ReadDir(s.path(dir))
		if err != nil {
			return err
		}
		for _, info := range infos {
			if info.IsDir() || dir == "" && (info.Name() == lockName || info.Name() == filepath.Base(temp)) {
				continue
			}
			return fmt.Errorf("%w: it holds %s but no file %q; give an empty directory", ErrFormat, filepath.Join(dir, info.Name()), formatName)
		}
	}
	if err := s.fs.SyncDir(filepath.Dir(s.dir)); err != nil {
		return err
	}
	if err := s.discard(temp); err != nil {
		return err
	}
	return s.writeFile(s.path(formatName), temp, []byte(formatText))
}
