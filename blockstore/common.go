package blockstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// store is what Disk and Memory have in common: all but the file system. It has no state of its
// own: each part below has its own, and none knows the store.
//
//	folder     where files lie; small ones are written whole
//	blocks     the blocks that were put
//	catalog    the artifacts that there are, and where their shards lie
//	artifacts  makes, completes, removes and demotes them
//	scrubber   verifies, and takes out what went bad
//
// Locks are taken in this order, each held for as short as its column says:
//
//	Writer.io, Builder.io      a write        Close, Commit and Abort wait for WriteShards under way
//	artifacts.locks            an fsync       one change of an artifact's files at a time
//	blocks.locks               an fsync       one change of a block's file at a time
//	catalog.mu, blocks.mu,     a system call  what is in the store; of these a goroutine has one at most
//	handles.mu
type store struct {
	contents
	files     *folder
	artifacts *artifacts
	scrubber  *scrubber
	outside   fsys // where files to import lie
	lock      io.Closer
}

// Put implements Blocks.
func (s *store) Put(b block.Block) error { return s.blocks.put(b) }

// Has implements Blocks.
func (s *store) Has(c block.CID) bool { return s.has(c) }

// Get implements Blocks.
func (s *store) Get(c block.CID) ([]byte, error) { return s.Read(c, nil) }

// Read implements Blocks.
func (s *store) Read(c block.CID, buf []byte) ([]byte, error) {
	var lost error
	for range maxCopies {
		data, at, err := s.read(c, buf)
		if err == nil {
			err = c.Verify(data)
		}
		if err == nil || !damage(err) {
			return data, err
		}
		// Another copy may still be good.
		if lost = s.scrubber.lose(c, at, err); !s.Has(c) {
			break
		}
	}
	return nil, lost
}

// maxCopies bounds how many bad copies of a block Get loses in one call, should a disk
// spoil every one that is written anew.
const maxCopies = 8

// Delete implements Blocks.
func (s *store) Delete(cs ...block.CID) error {
	if err := s.catalog.deletable(cs); err != nil {
		return err
	}
	return s.blocks.remove(cs, s.catalog.uses)
}

// All implements Blocks.
func (s *store) All() iter.Seq2[block.CID, int64] { return s.blocks.all() }

// Open implements Artifacts.
func (s *store) Open(manifest block.CID) (*Artifact, error) { return s.catalog.open(manifest) }

// Create implements Artifacts. Shards that the store holds elsewhere are copied in before
// it returns, so they are not missing. It returns ErrBusy while another Writer of the
// artifact is open, tensor.ErrInvalid for a manifest that is not of the layout. For a complete
// artifact nothing is missing, and Commit has nothing to do.
func (s *store) Create(manifest, layout block.Block, opt WriteOptions) (*Writer, error) {
	w, err := s.artifacts.create(manifest, layout, opt)
	if err != nil {
		return nil, fmt.Errorf("create artifact %s: %w", manifest.CID, err)
	}
	if err = w.recheck(); err == nil {
		err = w.copyHeld()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create artifact %s: %w", manifest.CID, err), w.Close())
	}
	return w, nil
}

// NewArtifact implements Artifacts.
func (s *store) NewArtifact(cut *tensor.Cut) (*Builder, error) {
	b, err := s.artifacts.newBuilder(cut)
	if err != nil {
		return nil, fmt.Errorf("new artifact: %w", full(err))
	}
	return b, nil
}

// Export implements Artifacts.
func (s *store) Export(manifest block.CID, w io.Writer) error {
	a, err := s.Open(manifest)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Export(w)
}

// Check implements Artifacts.
func (s *store) Check(ctx context.Context, manifest block.CID) error {
	return s.scrubber.check(ctx, manifest)
}

// DeleteArtifact implements Artifacts.
func (s *store) DeleteArtifact(manifest block.CID) error { return s.artifacts.remove(manifest) }

// Artifacts implements Artifacts.
func (s *store) Artifacts() []Info { return s.catalog.infos() }

// Scrub implements Store.
func (s *store) Scrub(ctx context.Context, report func(error)) error {
	return s.scrubber.scrub(ctx, report)
}

// Stat implements Store.
func (s *store) Stat() Stat {
	var st Stat
	st.Blocks, st.BlockBytes = s.blocks.stat()
	for _, i := range s.catalog.infos() {
		if st.ArtifactBytes += i.Bytes; i.State == Complete {
			st.Artifacts++
		} else {
			st.Partials++
		}
	}
	return st
}

// Close implements Store.
func (s *store) Close() error {
	if !s.catalog.close() {
		return nil
	}
	s.blocks.close()
	var errs []error
	for _, h := range s.artifacts.open.close() {
		errs = append(errs, h.shut())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
