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
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/atomicfile"
)

// Stdout is the path that means standard output.
const Stdout = "-"

// IsStdout reports whether a path is another name of standard output too. Opened anew it would begin at its start.
func IsStdout(path string) bool {
	return slices.Contains([]string{Stdout, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, path)
}

// File is a file under way. Either Commit or Discard ends it; Discard after Commit does nothing.
type File struct {
	to     sink   // nil once it has ended
	path   string // as the person named it
	n      int64
	failed error // the first error
}

// sink is where a file's bytes go: *atomicfile.File, or one of those below.
type sink interface {
	io.Writer
	Commit() error
	Discard() error
}

// shared is standard output or standard error, which stay open.
type shared struct{ io.Writer }

func (shared) Commit() error  { return nil }
func (shared) Discard() error { return nil }

// inPlace is a device, a pipe, or another name of a file that this process has open.
type inPlace struct{ *os.File }

func (p inPlace) Commit() error  { return p.Close() }
func (p inPlace) Discard() error { return p.Close() }

// Create opens what path names for writing.
func Create(path string, stdout io.Writer) (*File, error) {
	f := &File{path: path}
	if IsStdout(path) {
		f.to = shared{stdout}
		return f, nil
	}
	var err error
	if f.to, err = open(path); err != nil {
		return nil, f.wrap(err)
	}
	return f, nil
}

func open(path string) (sink, error) {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return nil, errors.New("the path is empty")
	case errors.Is(err, fs.ErrNotExist):
		target, err := follow(path)
		if err != nil {
			return nil, err
		}
		return beside(target)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a directory")
	case isStderr(info):
		return shared{os.Stderr}, nil
	case isInPlace(path, info):
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return nil, err
		}
		return inPlace{f}, nil
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f, err := beside(target)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	return f, nil
}

// isStderr reports whether a file is where standard error goes, which must be added to and not be begun anew.
func isStderr(info fs.FileInfo) bool {
	stderr, err := os.Stderr.Stat()
	return err == nil && os.SameFile(info, stderr)
}

// isInPlace reports whether a path must be written to as it is: it is no regular file, or only another name of one that
// this process has open.
func isInPlace(path string, info fs.FileInfo) bool {
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
func beside(target string) (*atomicfile.File, error) { return atomicfile.Create(target, 0o644) }

// Write writes to the file; errors name it.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
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
	if f.failed != nil {
		f.Discard()
		return f.wrap(f.failed)
	}
	to := f.to
	f.to = nil
	return f.wrap(to.Commit())
}

// Discard leaves everything as it was, but for what a device or a pipe has taken.
func (f *File) Discard() {
	if f.to != nil {
		_ = f.to.Discard()
		f.to = nil
	}
}

// wrap says which file it is about.
func (f *File) wrap(err error) error {
	if err == nil {
		return nil
	}
	var p *fs.PathError
	var l *os.LinkError
	switch { // their paths may be the temporary one
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	name := f.path
	if IsStdout(name) {
		name = "standard output"
	}
	return fmt.Errorf("write %s: %w", name, err)
}
