package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write replaces the file at path, durable on return. The umask applies to mode, as for any
// new file.
func Write(path string, data []byte, mode fs.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Commit()
}

// File is a file that is to take the place of another. End it with Commit or Discard.
type File struct {
	temp *renameio.PendingFile
	path string
}

// Create begins a file that is to be at path. The umask applies to mode.
func Create(path string, mode fs.FileMode) (*File, error) {
	temp, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(mode))
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &File{temp, path}, nil
}

// Chmod gives the file a mode, whatever the umask.
func (f *File) Chmod(mode fs.FileMode) error { return f.temp.Chmod(mode) }

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.temp.Write(p)
	if err != nil {
		err = fmt.Errorf("write %s: %w", f.path, err)
	}
	return n, err
}

// Commit puts the file in its place, durable on return. If it fails, the file is discarded, or
// in its place but perhaps not after a power cut.
func (f *File) Commit() error {
	if err := f.temp.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", f.path, errors.Join(err, f.Discard()))
	}
	return SyncDir(filepath.Dir(f.path))
}

// Discard removes the file, leaving what is at its path. After Commit it does nothing.
func (f *File) Discard() error { return f.temp.Cleanup() }

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
