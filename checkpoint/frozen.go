package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/zeebo/blake3"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// hashChunk is how much of a file is read at once, in bytes.
const hashChunk = 1 << 20

// Hashing is a folder whose files are being hashed. It may be looked at meanwhile.
type Hashing struct {
	dir   string
	files []found
	Total int64        // bytes
	Done  atomic.Int64 // bytes
}

// found is a file of a folder.
type found struct {
	name string // within the folder, with slashes
	path string
	info fs.FileInfo
}

// Look lists the files by which a folder's model is known: all but hidden ones and Markdown, which says something of the model and is
// no part of it. Links are followed, as Hugging Face's cache is made of them.
func Look(dir string) (*Hashing, error) {
	h := &Hashing{dir: dir}
	root, err := filepath.EvalSymlinks(dir)
	if err == nil {
		root, err = filepath.Abs(root) // the cache knows files by it
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s: %w: it is a file; name the folder that it lies in, configuration and tokenizer included", dir, ErrUnusable)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() || strings.EqualFold(filepath.Ext(path), ".md") {
			return nil
		}
		return h.add(root, path)
	})
	if err == nil && len(h.files) == 0 {
		err = errors.New("it has no files")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", dir, ErrUnusable, err)
	}
	return h, nil
}

func (h *Hashing) add(root, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(root, path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file: a folder of a model has files and folders, or links to files", name)
	case len(h.files) == ledger.MaxFrozen:
		return fmt.Errorf("it has more than %d files: name the folder of one model, and no other's beside it", ledger.MaxFrozen)
	}
	h.files = append(h.files, found{filepath.ToSlash(name), path, info})
	h.Total += info.Size()
	return nil
}

// Run hashes the files, several at once. What a cache knows of files that have not changed since is taken from there; nil: no cache.
func (h *Hashing) Run(ctx context.Context, cache *Digests) (ledger.Frozen, error) {
	sums := make([]block.CID, len(h.files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range h.files {
		g.Go(func() (err error) {
			if sums[i] = cache.known(f); sums[i].Defined() {
				h.Done.Add(f.info.Size())
				return nil
			}
			if sums[i], err = h.hash(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
			cache.keep(f, sums[i])
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	list := ledger.Frozen{}
	for i, f := range h.files {
		list[f.name] = sums[i]
	}
	if err := list.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", h.dir, ErrUnusable, err)
	}
	return list, nil
}

// hash reads a file to its end. One that is written to meanwhile has no digest.
func (h *Hashing) hash(ctx context.Context, f found) (sum block.CID, err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return sum, err
	}
	defer in.Close()
	digest, chunk := blake3.New(), make([]byte, hashChunk)
	for {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := in.Read(chunk)
		_, _ = digest.Write(chunk[:n]) // which cannot fail
		h.Done.Add(int64(n))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, err
		}
	}
	now, err := in.Stat()
	if err != nil {
		return sum, err
	}
	if now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()) {
		return sum, fmt.Errorf("%w: it is written to", ErrUnusable)
	}
	var out [block.DigestSize]byte
	digest.Sum(out[:0])
	return block.FromDigest(block.Raw, out), nil
}
