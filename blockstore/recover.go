package blockstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// list returns the files in a directory of the store.
func (d *folder) list(dir string) ([]fs.FileInfo, error) {
	infos, err := d.fs.ReadDir(dir)
	return slices.DeleteFunc(infos, fs.FileInfo.IsDir), err
}

// clearTemp removes what a crash left half done.
func (d *folder) clearTemp() error {
	infos, err := d.list(d.path(tempDir))
	if err != nil {
		return err
	}
	for _, info := range infos {
		if err := d.fs.Remove(d.path(tempDir, info.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ignore warns of a file that no store writes.
func (d *folder) ignore(path string) {
	d.log.Warn("Ignoring a file that is not the store's", "path", path)
}

// find lists the CIDs of dir's files that end in ext, and their sizes.
func (d *folder) find(dir, ext string) (map[block.CID]int64, error) {
	infos, err := d.list(d.path(dir))
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
			d.ignore(d.path(dir, info.Name()))
			continue
		}
		found[c] = info.Size()
	}
	return found, nil
}

// findBlocks calls found for each directory of blocks: with the first byte of their digests, and
// their sizes.
func (d *folder) findBlocks(found func(first byte, sizes map[block.CID]int64)) error {
	dirs, err := d.fs.ReadDir(d.path(blockDir))
	if err != nil {
		return err
	}
	for _, sub := range dirs {
		dir := d.path(blockDir, sub.Name())
		first, err := strconv.ParseUint(sub.Name(), 16, 8)
		if err != nil || !sub.IsDir() || d.fanPath(int(first)) != dir {
			d.ignore(dir)
			continue
		}
		infos, err := d.list(dir)
		if err != nil {
			return err
		}
		sizes := make(map[block.CID]int64)
		for _, info := range infos {
			path := filepath.Join(dir, info.Name())
			c, err := block.Parse(info.Name())
			if err != nil || d.blockPath(c) != path {
				d.ignore(path)
				continue
			}
			sizes[c] = info.Size()
		}
		found(byte(first), sizes)
	}
	return nil
}

// recovery fills a store that opens with what its folder has.
type recovery struct {
	files   *folder
	blocks  *blocks
	catalog *catalog
	get     func(block.CID) ([]byte, error) // the store's Get
}

func (r recovery) run() error {
	for _, step := range []func() error{r.files.checkFormat, r.files.clearTemp, r.findBlocks, r.findArtifacts, r.findPartials} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r recovery) findBlocks() error { return r.files.findBlocks(r.blocks.load) }

// findArtifacts registers the complete artifacts. A file without its manifest is kept: the
// manifest can be fetched again, and most of the shards may be good.
func (r recovery) findArtifacts() error {
	found, err := r.files.find(artifactDir, artifactExt)
	if err != nil {
		return err
	}
	for c, size := range found {
		path := r.files.artifactPath(c)
		it, err := r.describe(c, path, size)
		if err != nil {
			r.files.log.Warn("Artifact is damaged; fetching it again saves the good shards", "manifest", c, "err", err)
			r.catalog.found(newDamaged(c, path), Damaged, nil)
			continue
		}
		r.catalog.found(it, Complete, nil)
	}
	return nil
}

// findPartials registers the artifacts of which shards are missing.
func (r recovery) findPartials() error {
	files, err := r.files.find(partialDir, artifactExt)
	if err != nil {
		return err
	}
	records, err := r.files.find(partialDir, recordExt)
	if err != nil {
		return err
	}
	for c, size := range files {
		it, _, err := r.catalog.lookup(c)
		switch {
		case err != nil:
		case it != nil:
			err = errors.New("it is complete meanwhile")
		default:
			err = r.findPartial(c, size)
		}
		if err == nil {
			delete(records, c)
			continue
		}
		r.files.log.Info("Removing a partial artifact of which nothing was durable", "manifest", c, "err", err)
		if err := r.files.discard(r.files.partialPath(c)); err != nil {
			return err
		}
	}
	for c := range records {
		if err := r.files.discard(r.files.recordPath(c)); err != nil {
			return err
		}
	}
	return nil
}

func (r recovery) findPartial(c block.CID, size int64) error {
	it, err := r.describe(c, r.files.partialPath(c), size)
	if err != nil {
		return err
	}
	rec, err := r.files.readRecord(c, len(it.manifest.Shards))
	if err != nil {
		return err
	}
	it.checked(rec.Finite)
	r.catalog.found(it, Partial, rec.Held)
	return nil
}

// describe returns an item of an artifact's file at path, of size bytes.
func (r recovery) describe(c block.CID, path string, size int64) (*item, error) {
	it, err := describe(c, r.get, r.catalog.layout)
	if err != nil {
		return nil, err
	}
	offset, err := r.files.dataOffset(path, size, it.cut)
	if err != nil {
		return nil, err
	}
	it.lie(path, offset)
	return it, nil
}

// describe gets the manifest and the layout of an artifact and returns an item of them. A layout
// that is known, if known is given, is not read again.
func describe(c block.CID, get func(block.CID) ([]byte, error), known func(block.CID) (tensor.Layout, bool)) (*item, error) {
	data, err := get(c)
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, err
	}
	var l tensor.Layout
	ok := false
	if known != nil {
		l, ok = known(m.Layout)
	}
	if !ok {
		if data, err = get(m.Layout); err != nil {
			return nil, err
		}
		if l, err = tensor.DecodeLayout(data); err != nil {
			return nil, err
		}
	}
	cut, err := m.cut(l)
	if err != nil {
		return nil, err
	}
	return newItem(c, m, cut), nil
}
