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
	"strings"

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

// checkFormat makes the directories of a new store, and refuses what is no store: clearing
// the tmp of a user's home would be a sad mistake.
func (s *store) checkFormat() error {
	text, err := s.readFile(s.path(formatName), maxFormat)
	switch {
	case err == nil && string(text) == formatText:
		return nil
	case err == nil:
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, text, formatText)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp := s.path(formatName + ".new")
	for _, dir := range []string{"", tempDir, partialDir, artifactDir, blockDir} {
		if err := s.fs.MkdirAll(s.path(dir)); err != nil {
			return err
		}
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

// list returns the files in a directory of the store.
func (s *store) list(dir string) ([]fs.FileInfo, error) {
	infos, err := s.fs.ReadDir(dir)
	return slices.DeleteFunc(infos, fs.FileInfo.IsDir), err
}

// clearTemp removes what a crash left half done.
func (s *store) clearTemp() error {
	infos, err := s.list(s.path(tempDir))
	if err != nil {
		return err
	}
	for _, info := range infos {
		if err := s.fs.Remove(s.path(tempDir, info.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) findBlocks() error {
	dirs, err := s.fs.ReadDir(s.path(blockDir))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		dir := s.path(blockDir, d.Name())
		first, err := strconv.ParseUint(d.Name(), 16, 8)
		if err != nil || !d.IsDir() || s.fanPath(int(first)) != dir {
			s.ignore(dir)
			continue
		}
		s.fanned[first] = true
		infos, err := s.list(dir)
		if err != nil {
			return err
		}
		for _, info := range infos {
			path := filepath.Join(dir, info.Name())
			c, err := block.Parse(info.Name())
			if err != nil || s.blockPath(c) != path {
				s.ignore(path)
				continue
			}
			s.blocks[c] = info.Size()
			s.blockBytes += uint64(info.Size())
		}
	}
	return nil
}

func (s *store) ignore(path string) {
	s.log.Warn("Ignoring a file that is not the store's", "path", path)
}

// find lists the CIDs of dir's files that end in ext, and their sizes.
func (s *store) find(dir, ext string) (map[block.CID]int64, error) {
	infos, err := s.list(s.path(dir))
	if err != nil {
		return nil, err
	}
	found := make(map[block.CID]int64)
	for _, info := range infos {
		name, ok := strings.CutSuffix(info.Name(), ext)
		if !ok {
			continue
		}
		c, err := block.Parse(name)
		if err != nil || c.String() != name {
			s.ignore(s.path(dir, info.Name()))
			continue
		}
		found[c] = info.Size()
	}
	return found, nil
}

// findArtifacts registers the complete artifacts. A file without its manifest is kept: the
// manifest can be fetched again, and most of the shards may be good.
func (s *store) findArtifacts() error {
	found, err := s.find(artifactDir, artifactExt)
	if err != nil {
		return err
	}
	for c, size := range found {
		it, err := s.describe(c)
		if err == nil {
			it.offset, err = s.dataOffset(s.artifactPath(c), size, it.cut)
		}
		if err != nil {
			s.log.Warn("Artifact is damaged; fetching it again saves the good shards", "manifest", c, "err", err)
			s.register(&item{cid: c, state: Damaged, path: s.artifactPath(c)})
			continue
		}
		s.register(it)
		s.complete(it, s.artifactPath(c), it.offset)
	}
	return nil
}

// findPartials registers the artifacts of which shards are missing.
func (s *store) findPartials() error {
	files, err := s.find(partialDir, artifactExt)
	if err != nil {
		return err
	}
	records, err := s.find(partialDir, recordExt)
	if err != nil {
		return err
	}
	for c, size := range files {
		if s.items[c] == nil {
			err = s.findPartial(c, size)
		} else {
			err = errors.New("it is complete meanwhile")
		}
		if err == nil {
			delete(records, c)
			continue
		}
		s.log.Info("Removing a partial artifact of which nothing was durable", "manifest", c, "err", err)
		if err := s.discard(s.partialPath(c)); err != nil {
			return err
		}
	}
	for c := range records {
		if err := s.discard(s.recordPath(c)); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) findPartial(c block.CID, size int64) error {
	it, err := s.describe(c)
	if err != nil {
		return err
	}
	if it.offset, err = s.dataOffset(s.partialPath(c), size, it.cut); err != nil {
		return err
	}
	r, err := s.readRecord(c, len(it.manifest.Shards))
	if err != nil {
		return err
	}
	it.state, it.path, it.finite = Partial, s.partialPath(c), r.Finite
	s.register(it)
	for i := range it.shards {
		if bitmap(r.Held).has(i) {
			s.put(it, i)
		}
	}
	return nil
}

// describe reads the manifest and the layout of an artifact and returns an item of them.
func (s *store) describe(c block.CID) (*item, error) {
	data, err := s.Get(c)
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, err
	}
	var l Layout
	if use := s.layouts[m.Layout]; use != nil {
		l = use.layout
	} else if data, err = s.Get(m.Layout); err != nil {
		return nil, err
	} else if l, err = DecodeLayout(data); err != nil {
		return nil, err
	}
	cut, err := m.cut(l)
	if err != nil {
		return nil, err
	}
	return newItem(c, m, l, cut), nil
}
