package blockstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// fsys is all that a store asks of a file system. There are two: the operating system's for
// Disk, a map for Memory; tests wrap them to lose power or run out of space at a chosen step.
// Errors are those of package os.
type fsys interface {
	MkdirAll(dir string) error
	// ReadDir lists what is in dir.
	ReadDir(dir string) ([]fs.FileInfo, error)
	// Create makes a file that must not exist, for reading and writing.
	Create(name string) (file, error)
	// Open opens a file, for writing too if asked to.
	Open(name string, write bool) (file, error)
	// Rename moves a file, replacing what is at the new name, in one step. It is durable
	// after SyncDir of the directories.
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Protect forbids or allows writing to a file.
	Protect(name string, readOnly bool) error
	// Movable reports whether the file can become one below dir by Rename: a regular file
	// of this user on the same file system, with no other name left to write to it.
	Movable(name, dir string) bool
	// Free returns how many bytes this user may still write below dir, and how many the file system has in all.
	Free(dir string) (free, size uint64, err error)
	// Lock keeps others from locking the file until the returned Closer is closed. It
	// writes text into the file, or returns ErrLocked with the text that is in it.
	Lock(name, text string) (io.Closer, error)
}

// file is an open file of an fsys.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// osFS is the operating system's file system.
type osFS struct{}

var (
	_ fsys = osFS{}
	_ file = (*os.File)(nil)
)

// Access to the store is for the site's own user, who alone holds its key; a model that
// others may read is exported.
const (
	dirMode      = 0o700
	fileMode     = 0o600
	readOnlyMode = 0o400
)

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, dirMode) }

func (osFS) ReadDir(dir string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (osFS) Create(name string) (file, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (osFS) Open(name string, write bool) (file, error) {
	if write {
		return openFile(name, os.O_RDWR)
	}
	return openFile(name, os.O_RDONLY)
}

// openFile keeps a nil *os.File out of the interface.
func openFile(name string, flags int) (file, error) {
	f, err := os.OpenFile(name, flags, fileMode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFS) Protect(name string, readOnly bool) error {
	if readOnly {
		return os.Chmod(name, readOnlyMode)
	}
	return os.Chmod(name, fileMode)
}

func (osFS) Movable(name, dir string) bool {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false // a link's target belongs to someone else
	}
	parent, err := os.Stat(dir)
	if err != nil {
		return false
	}
	a, ok := info.Sys().(*syscall.Stat_t)
	b, also := parent.Sys().(*syscall.Stat_t)
	return ok && also && a.Dev == b.Dev && a.Nlink == 1 && a.Uid == uint32(os.Geteuid())
}

func (osFS) Free(dir string) (free, size uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}

func (osFS) Lock(name, text string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 100)) // only to tell the user
		return nil, fmt.Errorf("%w: %s", ErrLocked, holder)
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt([]byte(text), 0); err != nil && !errors.Is(full(err), ErrFull) { // it can be held without the text
		return nil, errors.Join(err, f.Close())
	}
	return f, nil // closing it ends the lock, and so does the end of the process
}

// full adds ErrFull to errors of a disk without room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// badSector reports whether the error is the disk's, which reading again will not cure.
func badSector(err error) bool { return errors.Is(err, syscall.EIO) }

// notMovable reports whether the error is one of a file that can be copied but not renamed:
// on another file system after all, or in a directory of another user.
func notMovable(err error) bool {
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrPermission)
}
