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
		it, err := s.describe(c, s.Get)
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
	it, err := s.describe(c, s.Get)
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

// describe gets the manifest and the layout of an artifact and returns an item of them.
func (s *store) describe(c block.CID, get func(block.CID) ([]byte, error)) (*item, error) {
	data, err := get(c)
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, err
	}
	var l tensor.Layout
	if use := s.layouts[m.Layout]; use != nil {
		l = use.layout
	} else if data, err = get(m.Layout); err != nil {
		return nil, err
	} else if l, err = tensor.DecodeLayout(data); err != nil {
		return nil, err
	}
	cut, err := m.cut(l)
	if err != nil {
		return nil, err
	}
	return newItem(c, m, l, cut), nil
}
