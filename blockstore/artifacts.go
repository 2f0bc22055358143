package blockstore

import (
	"errors"
	"fmt"

	"github.com/weft-mesh/weft/block"
)

// artifacts changes which artifacts there are, and their files: it makes, installs and removes them,
// and takes bad shards out. Its locks are by manifest, each held over an fsync: one change of an
// artifact's files at a time.
type artifacts struct {
	contents
	files     *folder
	open      handles
	locks     keyedMutex
	syncBytes uint64 // that a Writer writes between two syncs
}

// install makes the file of an item, whole and synced, that of a complete artifact with the
// given manifest, durable on return: by rename, so the file leaves its place. The item is not
// one of the store's artifacts yet; afterwards the catalog tells whether the file was moved. If
// the artifact is in the store already, the new file, known to be good, replaces the old one.
func (a *artifacts) install(from *item, m Manifest) error {
	manifest := m.Block()
	if len(manifest.Data) > block.MaxSize {
		return fmt.Errorf("manifest: %w: %d bytes", ErrTooLarge, len(manifest.Data))
	}
	defer a.locks.lock(manifest.CID)()
	own := newItem(manifest.CID, m, from.cut)
	it, damaged, err := a.catalog.reserve(own, nil)
	if err != nil {
		return err
	}
	err = errors.Join(a.blocks.put(from.cut.Layout().Block()), a.blocks.put(manifest))
	if err == nil {
		err = a.catalog.moveIn(from, it)
	}
	if err != nil {
		return errors.Join(err, a.unreserve(it, damaged, nil, it == own))
	}
	a.files.protect(it.cid)
	if err := a.files.settle(it.cid); err != nil {
		return fmt.Errorf("artifact %s is complete, but may not survive a crash: %w", it.cid, err)
	}
	return nil
}

// unreserve undoes the catalog's reserve after a failure.
func (a *artifacts) unreserve(it, damaged *item, f *filling, fresh bool) error {
	if a.catalog.unreserve(it, damaged, f, fresh) {
		return a.drop(it)
	}
	return nil
}

// drop removes an item and its files, its manifest, and its layout if that is not in use
// otherwise. If it fails before the artifact is gone, all is as it was. Callers have the
// artifact's lock, and the item has no Writer.
func (a *artifacts) drop(it *item) error {
	temp := a.files.tempPath() // freeing a large file takes a while, a rename does not
	if err := a.catalog.remove(it, temp); err != nil {
		return full(err)
	}
	return full(errors.Join(a.files.discard(a.files.recordPath(it.cid)), a.files.discard(temp), a.files.syncArtifacts(),
		a.blocks.remove([]block.CID{it.cid, it.manifest.Layout}, a.catalog.uses)))
}

// remove is drop by manifest, for an artifact that may not be there.
func (a *artifacts) remove(manifest block.CID) error {
	defer a.locks.lock(manifest)()
	it, busy, err := a.catalog.lookup(manifest)
	switch {
	case err != nil:
		return err
	case busy:
		err = ErrBusy
	case it != nil:
		err = a.drop(it)
	default: // or an earlier call failed when all but durable
		err = errors.Join(full(a.files.syncArtifacts()), a.blocks.remove([]block.CID{manifest}, a.catalog.uses))
	}
	if err != nil {
		return fmt.Errorf("delete artifact %s: %w", manifest, err)
	}
	return nil
}

// loseShards takes bad shards of an item out of the store. A complete artifact becomes a
// partial one.
func (a *artifacts) loseShards(it *item, bad []int) error {
	if it.cid.Defined() {
		defer a.locks.lock(it.cid)()
	}
	switch state, r := a.catalog.lose(it, bad); state {
	case Partial:
		return a.files.writeRecord(r)
	case Complete:
		return a.demote(it, r.Held)
	}
	return nil
}

// demote makes a complete artifact a partial one that holds the given shards.
func (a *artifacts) demote(it *item, held bitmap) error {
	// The record goes first: without one, the file would be cleared away after a crash.
	err := errors.Join(a.files.writeRecord(record{it.cid, false, held}), a.files.fs.Protect(a.files.artifactPath(it.cid), false))
	if err == nil {
		err = a.catalog.demote(it, held)
	}
	if err != nil {
		return a.catalog.abandon(it, err)
	}
	return errors.Join(a.files.fs.SyncDir(a.files.path(partialDir)), a.files.fs.SyncDir(a.files.path(artifactDir)))
}
