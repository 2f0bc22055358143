package blockstore

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/weft-mesh/weft/block"
)

// OpenArtifact opens a complete artifact of the store in dir from outside: another process may
// have the store open, nothing is locked, and nothing changed. It returns ErrNotFound if the
// artifact is not there, ErrIncomplete if only a part of it is, block.ErrMismatch if its
// manifest or layout went bad.
func OpenArtifact(dir string, manifest block.CID) (*Artifact, error) {
	a, err := openOutside(&folder{fs: osFS{}, dir: dir}, manifest)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("artifact %s in %s: %w", manifest, dir, err)
	}
	return a, nil
}

// ReadBlock reads a block that was put into the store in dir, verified, from outside as OpenArtifact does.
// Shards of artifacts are not found. It returns ErrNotFound, or block.ErrMismatch if it went bad.
func ReadBlock(dir string, c block.CID) ([]byte, error) {
	data, err := (&folder{fs: osFS{}, dir: dir}).readBlock(c)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("block %s in %s: %w", c, dir, err)
	}
	return data, nil
}

func openOutside(d *folder, manifest block.CID) (*Artifact, error) {
	it, err := describe(manifest, d.readBlock, nil)
	if err != nil {
		return nil, err
	}
	path := d.artifactPath(manifest)
	f, err := d.fs.Open(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		part, there := d.fs.Open(d.partialPath(manifest), false)
		if there == nil {
			return nil, errors.Join(ErrIncomplete, part.Close())
		}
	}
	if err != nil {
		return nil, err
	}
	var offset int64
	info, err := f.Stat()
	if err == nil {
		offset, err = d.dataOffset(path, info.Size(), it.cut)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Artifact{manifest, it.manifest, it.cut.Layout(), it.cut, path, f, offset}, nil
}

// readBlock reads the file of a block that was put, verified.
func (d *folder) readBlock(c block.CID) ([]byte, error) {
	data, err := d.readFile(d.blockPath(c), block.MaxSize)
	if err != nil {
		return nil, err
	}
	return data, c.Verify(data)
}
