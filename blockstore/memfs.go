package blockstore

import (
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// memFS is a file system in memory. Directories need not be made: they are those that files
// are in.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memFile
}

var (
	_ fsys = (*memFS)(nil)
	_ file = (*memFile)(nil)
)

func newMemFS() *memFS { return &memFS{files: make(map[string]*memFile)} }

func (m *memFS) MkdirAll(string) error       { return nil }
func (m *memFS) SyncDir(string) error        { return nil }
func (m *memFS) Protect(string, bool) error  { return nil }
func (m *memFS) Movable(string, string) bool { return true }
func (m *memFS) Free(string) (free, size uint64, err error) {
	return math.MaxUint64, math.MaxUint64, nil
}
func notExist(op, name string) *fs.PathError {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func (m *memFS) ReadDir(dir string) ([]fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []fs.FileInfo
	dirs := make(map[string]bool)
	for name, f := range m.files {
		below, err := filepath.Rel(dir, name)
		if err != nil || strings.HasPrefix(below, "..") {
			continue
		}
		if first, _, deeper := strings.Cut(below, string(filepath.Separator)); !deeper {
			infos = append(infos, memInfo{first, f.size(), false})
		} else if !dirs[first] {
			dirs[first] = true
			infos = append(infos, memInfo{first, 0, true})
		}
	}
	return infos, nil
}

func (m *memFS) Create(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := &memFile{name: name}
	m.files[name] = f
	return f, nil
}

func (m *memFS) Open(name string, _ bool) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		return nil, notExist("open", name)
	}
	return f, nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[from]
	if f == nil {
		return notExist("rename", from)
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return notExist("remove", name)
	}
	delete(m.files, name)
	return nil
}

// Lock succeeds: nobody else knows of this file system.
func (m *memFS) Lock(string, string) (io.Closer, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// memFile is a file of a memFS; it lives on while open, whatever happens to its name.
type memFile struct {
	name string
	mu   sync.RWMutex
	data []byte
}

func (f *memFile) size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return int64(len(f.data))
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grow(off + int64(len(p)))
	return copy(f.data[off:], p), nil
}

func (f *memFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grow(size)
	f.data = f.data[:size]
	return nil
}

func (f *memFile) grow(size int64) {
	if n := size - int64(len(f.data)); n > 0 {
		f.data = append(f.data, make([]byte, n)...)
	}
}

func (f *memFile) Sync() error  { return nil }
func (f *memFile) Close() error { return nil }
func (f *memFile) Stat() (fs.FileInfo, error) {
	return memInfo{filepath.Base(f.name), f.size(), false}, nil
}

// memInfo describes a memFile.
type memInfo struct {
	name string
	size int64
	dir  bool
}

func (i memInfo) Name() string     { return i.name }
func (i memInfo) Size() int64      { return i.size }
func (memInfo) Mode() fs.FileMode  { return fileMode }
func (memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool      { return i.dir }
func (memInfo) Sys() any           { return nil }
