package blockstore

import (
	"context"
	"io"
	"iter"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// Blocks is bytes by CID. Its methods may be called from several goroutines.
type Blocks interface {
	// Put stores a block, durable on return. It returns block.ErrMismatch for bytes that are not
	// the CID's, ErrTooLarge beyond block.MaxSize, ErrFull without room.
	Put(b block.Block) error
	// Get returns a block that was put or is a shard of an artifact in the store, verified. It
	// returns ErrNotFound, or a CorruptError if the bytes went bad: then the store holds the
	// block no longer, and it can be fetched and stored again.
	Get(c block.CID) ([]byte, error)
	// Read is Get into buf, if its capacity is enough, else into memory of its own.
	Read(c block.CID, buf []byte) ([]byte, error)
	// Has reports whether Get would find the block.
	Has(c block.CID) bool
	// Delete removes blocks that were put, durable on return; shards of artifacts stay. It
	// returns ErrInUse, having removed nothing, for a manifest or layout of an artifact in
	// the store. Removing what is not there is no error.
	Delete(cs ...block.CID) error
	// All yields the blocks that were put and their sizes, in no order.
	All() iter.Seq2[block.CID, int64]
}

// Artifacts is models and updates by the CIDs of their manifests. Its methods may be called
// from several goroutines.
type Artifacts interface {
	// Open returns an artifact to read. It returns ErrNotFound, or ErrIncomplete while
	// shards of it are missing.
	Open(manifest block.CID) (*Artifact, error)
	// Create returns a Writer for the shards of an artifact whose manifest is known, going on
	// where an earlier one stopped. See Writer.
	Create(manifest, layout block.Block, opt WriteOptions) (*Writer, error)
	// NewArtifact returns a Builder for an artifact whose shards are still to be computed.
	NewArtifact(cut *tensor.Cut) (*Builder, error)
	// Import stores a safetensors file as an artifact, durable on return. See ImportOptions
	// for what happens to the file.
	Import(ctx context.Context, path string, opt ImportOptions) (manifest block.CID, err error)
	// Export writes the artifact as a safetensors file.
	Export(manifest block.CID, w io.Writer) error
	// Check verifies a complete artifact, as Scrub would, without Scrub's pace: for who hands its
	// file to a reader that does not verify. It returns what Open does, or a CorruptError for
	// the first damage, of which all is then taken out of the store or, in the header, repaired.
	Check(ctx context.Context, manifest block.CID) error
	// DeleteArtifact removes the artifact, complete or not, its manifest, and its layout
	// unless another artifact has the same, durable on return. Shards that it shares with
	// another stay readable from there, and who has it open can go on reading. It returns
	// ErrBusy while a Writer of it is open. Removing what is not there is no error; a
	// manifest that was put without an artifact is removed too.
	DeleteArtifact(manifest block.CID) error
	// Artifacts lists the artifacts in the store, complete or not, ordered by CID.
	Artifacts() []Info
}

// Store is both, and what an owner does with it.
type Store interface {
	Blocks
	Artifacts
	// Stat returns what is in the store, without touching the disk.
	Stat() Stat
	// Scrub reads everything in the store and verifies it. It calls report with a
	// CorruptError for each block that went bad; the store holds those no longer, so that they
	// can be fetched again. It returns ctx's error if that ends first.
	Scrub(ctx context.Context, report func(error)) error
	// Close makes durable what open Writers wrote, and ends the store.
	Close() error
}

var (
	_ Store = (*Disk)(nil)
	_ Store = (*Memory)(nil)
)

// Info describes an artifact in the store.
type Info struct {
	Manifest block.CID
	Layout   block.CID // zero if damaged
	State    State
	Bytes    uint64 // of the shards held
	Held     int    // shards
	Shards   int    // that the manifest lists
}

// State says how much of an artifact is in the store.
type State string

const (
	Complete State = "complete" // all of it
	Partial  State = "partial"  // some shards; Create goes on
	// Damaged is a file whose manifest or layout was lost, or that has not its size. Create
	// with manifest and layout saves the shards that are still good.
	Damaged State = "damaged"
)

// Stat counts what is in a store.
type Stat struct {
	Blocks        int    // that were put, manifests and layouts of artifacts among them
	BlockBytes    uint64 // of these
	Artifacts     int    // complete ones
	Partials      int    // others
	ArtifactBytes uint64 // of all shards held
}

// Bytes returns the size of everything.
func (s Stat) Bytes() uint64 { return s.BlockBytes + s.ArtifactBytes }
