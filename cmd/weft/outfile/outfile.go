// Package outfile writes the files that a person names on the command line.
//
// A regular file appears whole or not at all: what was there before stays until the new one is
// complete. A symbolic link is followed, a device or a pipe is written to and never replaced,
// and "-" is standard output.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stdout is the path that means standard output.
const Stdout = "-"

// IsStdout reports whether a path is another name of standard output too. Opened anew it would begin at its start.
func IsStdout(path string) bool {
	return slices.Contains([]string{Stdout, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, path)
}

// File is a file under way. Either Commit or Discard ends it; Discard after Commit does nothing.
type File struct {
	w      io.Writer
	path   string   // as the person named it
	file   *os.File // nil for standard output and standard error
	target string   // what file is to become; empty if it is written in place
	n      int64
	failed error // the first error
}

// Create opens what path names for writing.
func Create(path string, stdout io.Writer) (*File, error) {
	f := &File{w: stdout, path: path}
	if IsStdout(path) {
		return f, nil
	}
	if err := f.open(); err != nil {
		f.Discard()
		return nil, f.wrap(err)
	}
	if f.file != nil {
		f.w = f.file
	}
	return f, nil
}

func (f *File) open() error {
	info, err := os.Stat(f.path)
	switch {
	case f.path == "":
		return errors.New("the path is empty")
	case errors.Is(err, fs.ErrNotExist):
		if f.target, err = follow(f.path); err != nil {
			return err
		}
		return f.beside()
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a directory")
	case isStderr(info):
		f.w = os.Stderr
		return nil
	case inPlace(f.path, info):
		f.file, err = os.OpenFile(f.path, os.O_WRONLY|os.O_TRUNC, 0)
		return err
	}
	if f.target, err = filepath.EvalSymlinks(f.path); err != nil {
		return err
	}
	if err := f.beside(); err != nil {
		return err
	}
	return f.file.Chmod(info.Mode().Perm())
}

// isStderr reports whether a file is where standard error goes, which must be added to and not be begun anew.
func isStderr(info fs.FileInfo) bool {
	stderr, err := os.Stderr.Stat()
	return err == nil && os.SameFile(info, stderr)
}

// inPlace reports whether a path must be written to as it is: it is no regular file, or only another name of one that
// this process has open.
func inPlace(path string, info fs.FileInfo) bool {
	return !info.Mode().IsRegular() || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

// follow returns where symbolic links lead of which the last leads to what is not there yet.
func follow(path string) (string, error) {
	for range 40 { // as many as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil // not a link
		}
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link // its ".." begin where dir really is
		}
		path = link
	}
	return "", errors.New("too many symbolic links")
}

// beside begins a file that takes the target's place at the end. Who may read it is up to the
// umask, as for any new file.
func (f *File) beside() (err error) {
	name := fmt.Sprintf(".%s.%08x", filepath.Base(f.target), rand.Uint32()) //nolint:gosec // only a free name
	f.file, err = os.OpenFile(filepath.Join(filepath.Dir(f.target), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return err
}

// Write writes to the file; errors name it.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.n += int64(n)
	if err != nil && f.failed == nil {
		f.failed = err
	}
	return n, f.wrap(err)
}

// Size returns how many bytes have been written.
func (f *File) Size() int64 { return f.n }

// Commit puts the file in its place, unless a write to it has failed.
func (f *File) Commit() error {
	if f.file == nil || f.failed != nil {
		f.Discard()
		return f.wrap(f.failed)
	}
	defer f.Discard()
	if f.target == "" {
		err := f.file.Close()
		f.file = nil
		return f.wrap(err)
	}
	temp := f.file.Name()
	err := errors.Join(f.file.Sync(), f.file.Close())
	if err == nil {
		if err = os.Rename(temp, f.target); err == nil {
			f.file = nil
		}
	}
	return f.wrap(err)
}

// Discard leaves everything as it was, but for what a device or a pipe has taken.
func (f *File) Discard() {
	if f.file == nil {
		return
	}
	_ = f.file.Close()
	if f.target != "" {
		_ = os.Remove(f.file.Name())
	}
	f.file = nil
}

// wrap says which file it is about.
func (f *File) wrap(err error) error {
	if err == nil {
		return nil
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // its path may be the temporary one
	}
	name := f.path
	if IsStdout(name) {
		name = "standard output"
	}
	return fmt.Errorf("write %s: %w", name, err)
}
