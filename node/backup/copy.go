package backup

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
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/site"
)

// Of the store: complete artifacts and blocks never change once they have their names.
const (
	artifactsDir = site.StoreDir + "/artifacts"
	blocksDir    = site.StoreDir + "/blocks"
	formatFile   = site.StoreDir + "/format"
)

// belongs reports whether a file of a site's directory is part of a backup. What others' updates say is none of a backup's business.
func belongs(path string, models map[block.CID]bool, noModels bool) bool {
	switch path {
	case site.ConfigFile, site.KeyFile, site.GenesisFile, site.AddressFile:
		return true
	case site.IndexFile, formatFile:
		return !noModels
	}
	top, _, _ := strings.Cut(path, "/")
	switch {
	case top == site.StepsDir, top == site.StateDir:
		return true
	case strings.HasPrefix(path, blocksDir+"/"):
		return !noModels
	case strings.HasPrefix(path, artifactsDir+"/"):
		c, err := block.Parse(strings.TrimSuffix(filepath.Base(path), ".safetensors"))
		return err == nil && models[c] && !noModels
	}
	return false
}

// lasting reports whether a file is the same as long as it has its name.
func lasting(path string) bool {
	return strings.HasPrefix(path, artifactsDir+"/") || strings.HasPrefix(path, blocksDir+"/")
}

// copying copies the files that are wanted.
type copying struct {
	from, to string
	wants    func(path string) bool // relative, with slashes
	report   *Report
	progress func(name string, done, total int64)

	files       []string
	done, total int64
}

func (c *copying) run() error {
	if err := c.list(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.to, 0o700); err != nil {
		return err
	}
	for _, path := range c.files {
		if err := c.file(path); err != nil {
			return err
		}
	}
	if c.progress != nil {
		c.progress("", c.done, c.total)
	}
	return nil
}

// list finds the files that are wanted. The index of artifacts comes last: it knows of all that was copied before.
func (c *copying) list() error {
	err := filepath.WalkDir(c.from, func(at string, d fs.DirEntry, err error) error {
		path, _ := filepath.Rel(c.from, at)
		path = filepath.ToSlash(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the node has removed it meanwhile
		case err != nil:
			return err
		case d.IsDir() || !d.Type().IsRegular() || !c.wants(path):
			return nil
		}
		if info, err := d.Info(); err == nil {
			c.total += info.Size()
			c.files = append(c.files, path)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	slices.SortStableFunc(c.files, func(a, b string) int {
		last := func(path string) int {
			if path == site.IndexFile {
				return 1
			}
			return 0
		}
		return last(a) - last(b)
	})
	return nil
}

// file copies one file, unless the same is there already.
func (c *copying) file(path string) error {
	from, to := filepath.Join(c.from, filepath.FromSlash(path)), filepath.Join(c.to, filepath.FromSlash(path))
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c.report.Files++
	c.report.Bytes += info.Size()
	if old, err := os.Stat(to); err == nil && lasting(path) && old.Size() == info.Size() {
		c.done += info.Size()
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := atomicfile.Create(to, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { _ = out.Discard() }()
	if err := c.bytes(path, out, in); err != nil {
		return hint.Add(fmt.Errorf("copy %s: %w", path, err), "what was copied so far stays: run it again once that is repaired")
	}
	return out.Commit()
}

// bytes copies, and says how far it is.
func (c *copying) bytes(name string, out io.Writer, in io.Reader) error {
	for {
		n, err := io.CopyN(out, in, 1<<20)
		c.done += n
		c.report.Copied += n
		if c.progress != nil && n > 0 {
			c.progress(name, c.done, c.total)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// prune removes what an earlier backup had and the site has no more.
func (c *copying) prune() error {
	kept := map[string]bool{File: true}
	for _, path := range c.files {
		kept[path] = true
	}
	return filepath.WalkDir(c.to, func(at string, d fs.DirEntry, err error) error {
		path, _ := filepath.Rel(c.to, at)
		if err != nil || d.IsDir() || kept[filepath.ToSlash(path)] || !c.wants(filepath.ToSlash(path)) && !lasting(filepath.ToSlash(path)) {
			return err
		}
		return os.Remove(at)
	})
}

// readUpTo fills a buffer as far as there is something to read.
func readUpTo(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}
