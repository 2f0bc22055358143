package blockstore

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrPower is what every operation returns once the power is gone.
var ErrPower = errors.New("power cut")

// CrashFS is a file system in memory that knows what a disk would still have after a power
// cut. A file's writes survive for sure once it was synced, a directory's names once that was;
// until then each may or may not have reached the disk, writes in part. A rename is one
// step, as in every journaling file system.
type CrashFS struct {
	// Fail, if set, is asked before each step that changes something; its error is the
	// step's. ErrPower cuts the power for all steps after it too.
	Fail func(step int, op, name string) error
	// Room, if set, says how many bytes are free, and how many there are.
	Room func() (free, size uint64)

	mu      sync.Mutex
	steps   int
	off     bool
	names   map[string]*crashFile // as programs see them
	durable map[string]*crashFile // that survive for sure
	pending []rename              // that may
}

// rename puts a file from a name ("" for a new one) to another ("" to remove it).
type rename struct {
	from, to string
	file     *crashFile
}

type crashFile struct {
	fs      *CrashFS
	name    string
	data    []byte
	synced  []byte
	pending []write
	changed time.Time // by Touch
}

// changedInfo describes a file that may have been touched.
type changedInfo struct {
	memInfo
	changed time.Time
}

func (i changedInfo) ModTime() time.Time { return i.changed }

// write is data at an offset, or a new size.
type write struct {
	data     []byte
	at       int64
	truncate bool
}

var (
	_ fsys = (*CrashFS)(nil)
	_ file = (*crashFile)(nil)
)

// NewCrashFS returns an empty file system.
func NewCrashFS() *CrashFS {
	return &CrashFS{names: make(map[string]*crashFile), durable: make(map[string]*crashFile)}
}

// OpenOn opens a store on the file system.
func OpenOn(f *CrashFS, dir string, opt Options) (*Disk, error) {
	s, err := open(f, f, dir, opt)
	if err != nil {
		return nil, err
	}
	return &Disk{s}, nil
}

// Free returns what Room says; without limit if that is nil.
func (c *CrashFS) Free(string) (free, size uint64, err error) {
	if c.Room == nil {
		return math.MaxUint64, math.MaxUint64, nil
	}
	free, size = c.Room()
	return free, size, nil
}

// Steps returns how many steps were done.
func (c *CrashFS) Steps() int { return c.steps }

// After returns what the disk may hold after a power cut now: if random is nil all that
// programs saw (the process was killed, not the machine), else a random part of what was not
// synced; of nothing if chance is 0.
func (c *CrashFS) After(random *rand.Rand, chance float64) *CrashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := maps.Clone(c.names)
	if random != nil {
		names = maps.Clone(c.durable)
		for _, r := range c.pending {
			if random.Float64() < chance {
				r.apply(names)
			}
		}
	}
	disk := NewCrashFS()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		data := bytes.Clone(f.data)
		if random != nil {
			data = bytes.Clone(f.synced)
			for _, w := range f.pending {
				if random.Float64() < chance {
					if !w.truncate && random.IntN(2) == 0 {
						w.data = w.data[:random.IntN(len(w.data)+1)] // torn
					}
					data = w.apply(data)
				}
			}
		}
		disk.Set(name, data)
	}
	return disk
}

// Set makes a file as if it had always been there.
func (c *CrashFS) Set(name string, data []byte) {
	f := &crashFile{fs: c, name: name, data: bytes.Clone(data), synced: bytes.Clone(data)}
	c.names[name], c.durable[name] = f, f
}

// Spoil changes what a file holds, on the disk too, for who has it open as well.
func (c *CrashFS) Spoil(name string, data []byte) {
	f := c.names[name]
	f.data, f.synced = bytes.Clone(data), bytes.Clone(data)
}

// Write makes a file as a program does that closes it and does not sync.
func (c *CrashFS) Write(name string, data []byte) {
	c.Set(name, nil)
	f := c.names[name]
	f.data, f.pending = bytes.Clone(data), []write{{bytes.Clone(data), 0, false}}
}

// Touch changes the last byte of a file, as its writer might at any time. Fail may call it.
func (c *CrashFS) Touch(name string) {
	f := c.names[name]
	f.data[len(f.data)-1] ^= 1
	f.changed = f.changed.Add(1)
}

// Grow appends to a file. Fail may call it.
func (c *CrashFS) Grow(name string) { c.names[name].data = append(c.names[name].data, 0) }

// Data returns a file's content, nil if there is none.
func (c *CrashFS) Data(name string) []byte {
	if f := c.names[name]; f != nil {
		return append([]byte{}, f.data...)
	}
	return nil
}

// Names returns all files below a directory.
func (c *CrashFS) Names(dir string) []string {
	var names []string
	for name := range c.names {
		if strings.HasPrefix(name, dir+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (r rename) apply(names map[string]*crashFile) {
	if r.from != "" && names[r.from] == r.file {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.file
	}
}

func (w write) apply(data []byte) []byte {
	end := w.at + int64(len(w.data))
	if n := end - int64(len(data)); n > 0 {
		data = append(data, make([]byte, n)...)
	}
	if w.truncate {
		return data[:w.at]
	}
	copy(data[w.at:], w.data)
	return data
}

// step counts a step and asks whether it fails. Callers hold mu.
func (c *CrashFS) step(op, name string) error {
	if c.off {
		return ErrPower
	}
	c.steps++
	if c.Fail == nil {
		return nil
	}
	err := c.Fail(c.steps, op, name)
	c.off = errors.Is(err, ErrPower)
	return err
}

func (c *CrashFS) change(op string, r rename) error {
	if err := c.step(op, r.from+r.to); err != nil {
		return err
	}
	r.apply(c.names)
	c.pending = append(c.pending, r)
	return nil
}

func (c *CrashFS) MkdirAll(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.step("mkdir", dir)
}

func (c *CrashFS) ReadDir(dir string) ([]fs.FileInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := newMemFS()
	for name, f := range c.names {
		m.files[name] = &memFile{name: name, data: f.data}
	}
	return m.ReadDir(dir)
}

func (c *CrashFS) Create(name string) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := &crashFile{fs: c, name: name}
	return f, c.change("create", rename{"", name, f})
}

func (c *CrashFS) Open(name string, _ bool) (file, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return nil, ErrPower
	}
	if f := c.names[name]; f != nil {
		return f, nil
	}
	return nil, notExist("open", name)
}

func (c *CrashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.names[from]
	if f == nil {
		return notExist("rename", from)
	}
	return c.change("rename", rename{from, to, f})
}

func (c *CrashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.names[name]
	if f == nil {
		return notExist("remove", name)
	}
	return c.change("remove", rename{name, "", f})
}

// SyncDir makes the changes of names in dir durable, and what they follow from.
func (c *CrashFS) SyncDir(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step("syncdir", dir); err != nil {
		return err
	}
	in := func(name string) bool { return name != "" && filepath.Dir(name) == dir }
	var rest []rename
	needed := make(map[*crashFile]bool)
	for _, r := range slices.Backward(c.pending) {
		if in(r.from) || in(r.to) {
			needed[r.file] = true
		}
	}
	for _, r := range c.pending {
		if needed[r.file] {
			r.apply(c.durable)
		} else {
			rest = append(rest, r)
		}
	}
	c.pending = rest
	return nil
}

func (c *CrashFS) Protect(name string, _ bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] == nil {
		return notExist("protect", name)
	}
	return c.step("protect", name)
}

func (c *CrashFS) Movable(string, string) bool { return true }

func (c *CrashFS) Lock(string, string) (io.Closer, error) {
	return io.NopCloser(nil), nil
}

func (f *crashFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.off {
		return 0, ErrPower
	}
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func (f *crashFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step("write", f.name)
	if err != nil {
		p = p[:len(p)/2] // a disk that is full takes what still fits
	}
	w := write{bytes.Clone(p), off, false}
	f.data = w.apply(f.data)
	f.pending = append(f.pending, w)
	return len(p), err
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step("truncate", f.name); err != nil {
		return err
	}
	w := write{nil, size, true}
	f.data = w.apply(f.data)
	f.pending = append(f.pending, w)
	return nil
}

func (f *crashFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.step("sync", f.name)
	if err == nil {
		for _, w := range f.pending {
			f.synced = w.apply(f.synced)
		}
	}
	if !f.fs.off {
		// After a failure too: the kernel takes the pages for clean, and the next fsync has
		// nothing to do.
		f.pending = nil
	}
	return err
}

func (f *crashFile) Close() error { return nil }

func (f *crashFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return changedInfo{memInfo{filepath.Base(f.name), int64(len(f.data)), false}, f.changed}, nil
}
