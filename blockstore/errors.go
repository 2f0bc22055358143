package blockstore

import (
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
)

var (
	// ErrNotFound is returned for a block or artifact that the store does not hold.
	ErrNotFound = errors.New("not held by this store")
	// ErrTooLarge is returned for a block of more than block.MaxSize bytes.
	ErrTooLarge = errors.New("larger than a block may be")
	// ErrLayout is returned by Import for tensors other than those asked for.
	ErrLayout = errors.New("another layout than the run's")
	// ErrIncomplete is returned by Commit while shards are missing, and by Open for such an artifact.
	ErrIncomplete = errors.New("shards are missing")
	// ErrForeign is returned for a shard that the artifact's manifest does not list.
	ErrForeign = errors.New("not a shard of this artifact")
	// ErrBusy is returned when a Writer of the same artifact is open.
	ErrBusy = errors.New("being written; close or abort its writer first")
	// ErrInUse is returned by Delete for the manifest or layout of an artifact in the store.
	ErrInUse = errors.New("in use by an artifact; delete the artifact instead")
	// ErrChanged is returned by Import when the file was written to meanwhile.
	ErrChanged = errors.New("file changed while it was imported; its writer must close it first")
	// ErrFull is returned when the disk has no room left. The store stays usable.
	ErrFull = errors.New("disk full; free some space or keep fewer models")
	// ErrLocked is returned by OpenDisk for a directory that another store has open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrFormat is returned by OpenDisk for a directory of another version or another program.
	ErrFormat = errors.New("not a store that this version of weft reads")
	// ErrClosed is returned by a store, Writer or Builder after its end.
	ErrClosed = errors.New("already closed")
)

// CorruptError names a block whose bytes in the store went bad. It is a block.ErrMismatch,
// or the error of reading the bytes.
type CorruptError struct {
	Block    block.CID
	Manifest block.CID // of the artifact, if the block is a shard
	Shard    int       // its index, -1 if the block is none
	File     string    // where the bytes lie, relative to the store
	Err      error
}

func (e *CorruptError) Error() string {
	if e.Shard < 0 {
		return fmt.Sprintf("corrupt: block %s in %s: %v", e.Block, e.File, e.Err)
	}
	return fmt.Sprintf("corrupt: shard %d of artifact %s in %s: %v", e.Shard, e.Manifest, e.File, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }
