package blockstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weft-mesh/weft/block"
)

// scrubber verifies what is in the store, and takes out what went bad.
type scrubber struct {
	contents
	files     *folder
	artifacts *artifacts
	rate      uint64 // bytes per second that a scrub reads; no limit if 0
}

// scrub is Store's Scrub.
func (s *scrubber) scrub(ctx context.Context, report func(error)) error {
	var buf []byte
	for _, c := range slices.SortedFunc(maps.Keys(maps.Collect(s.blocks.all())), block.CID.Compare) {
		data, at, err := s.read(c, buf)
		if err == nil {
			buf = data
			err = c.Verify(data)
		}
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case err != nil && at == nil && damage(err):
			report(s.lose(c, nil, err))
		}
		if err := s.pace(ctx, len(data)); err != nil {
			return err
		}
	}
	for _, i := range s.catalog.infos() {
		it, _, err := s.catalog.lookup(i.Manifest)
		if err != nil {
			return err
		}
		if it == nil {
			continue // deleted meanwhile
		}
		if _, err := s.scrubItem(ctx, it, s.pace, report); err != nil {
			return err
		}
	}
	return nil
}

// check is Artifacts' Check.
func (s *scrubber) check(ctx context.Context, manifest block.CID) error {
	a, err := s.catalog.open(manifest)
	if err != nil {
		return err
	}
	defer a.Close()
	it, _, err := s.catalog.lookup(manifest)
	if err != nil {
		return err
	}
	if it == nil {
		return fmt.Errorf("artifact %s: %w", manifest, ErrNotFound) // deleted meanwhile
	}
	var first error
	unread, err := s.scrubItem(ctx, it, unpaced, func(bad error) { first = cmp.Or(first, bad) })
	if err := cmp.Or(err, first, unread); err != nil {
		return err
	}
	if !s.catalog.completes(it) {
		return fmt.Errorf("artifact %s: changed while it was checked: %w", manifest, ErrIncomplete)
	}
	return nil
}

// scrubItem verifies the shards of an artifact, and its header if it is complete. It returns why a shard
// could not be read for another reason than damage, such as that somebody else has taken it out meanwhile.
func (s *scrubber) scrubItem(ctx context.Context, it *item, pace func(context.Context, int) error, report func(error)) (unread, err error) {
	var (
		buf  []byte
		bad  []int
		lost []*CorruptError
	)
	for i := range it.shards {
		data, path, err := s.readShard(it, i, buf)
		if err == nil {
			buf = data
			err = it.shards[i].Verify(data)
		}
		switch {
		case errors.Is(err, ErrClosed):
			return nil, err
		case err != nil && damage(err):
			bad = append(bad, i)
			lost = append(lost, &CorruptError{it.shards[i], it.cid, i, s.files.relative(path), err})
		case err != nil && unread == nil:
			unread = fmt.Errorf("artifact %s: shard %d: %w", it.cid, i, err)
		}
		if err := pace(ctx, len(data)); err != nil {
			return nil, err
		}
	}
	if len(bad) == 0 {
		if err := s.scrubHeader(it.cid); err != nil {
			report(err)
		}
		return unread, nil
	}
	err = s.artifacts.loseShards(it, bad)
	for _, l := range lost {
		report(with(l, err))
	}
	return unread, nil
}

// lose takes a block whose bytes went bad out of the store and returns the CorruptError to
// report: the shard at a place, or the block that was put, if at is nil.
func (s *scrubber) lose(c block.CID, at *place, cause error) error {
	if at != nil {
		it, i := at.item, at.shard
		lost := &CorruptError{Block: c, Manifest: it.cid, Shard: i, File: s.files.relative(s.catalog.pathOf(it)), Err: cause}
		return with(lost, s.artifacts.loseShards(it, []int{i}))
	}
	lost := &CorruptError{Block: c, Shard: -1, File: s.files.relative(s.files.blockPath(c)), Err: cause}
	return with(lost, s.loseBlock(c))
}

// with returns lost, joined by the failure to take it out.
func with(lost *CorruptError, err error) error {
	if err != nil {
		return errors.Join(lost, err)
	}
	return lost
}

// loseBlock removes a bad block, or writes it anew if it is known from an artifact.
func (s *scrubber) loseBlock(c block.CID) error {
	good, known := s.catalog.block(c)
	if !known {
		return s.blocks.remove([]block.CID{c}, s.catalog.uses)
	}
	return s.blocks.rewrite(good)
}

// readShard reads a shard from the item's file, and returns the file's path. It returns
// ErrNotFound for a shard that is not in it.
func (s *scrubber) readShard(it *item, i int, buf []byte) ([]byte, string, error) {
	f, path, offset, err := s.catalog.openItem(it, i)
	if err != nil {
		return nil, path, err
	}
	defer f.Close()
	shard := it.cut.Shard(i)
	buf = sized(buf, shard.Bytes)
	return buf, path, readFull(f, buf, offset+int64(shard.Offset))
}

// scrubHeader checks the header of a complete artifact's file, which no CID covers. A bad one
// is written anew, as the layout says all that is in it, and reported.
func (s *scrubber) scrubHeader(manifest block.CID) error {
	a, err := s.catalog.open(manifest)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrIncomplete) {
		return nil
	}
	if err != nil {
		return err
	}
	defer a.Close()
	bad := a.checkHeader()
	if bad == nil {
		return nil
	}
	if err := s.repairHeader(a); err != nil {
		return errors.Join(bad, err)
	}
	return bad
}

func (s *scrubber) repairHeader(a *Artifact) error {
	header := a.cut.HeaderOfSize(a.offset)
	if header == nil {
		return fmt.Errorf("repair header of %s: there is no room for it; delete the artifact and fetch it again", a.CID)
	}
	defer s.artifacts.locks.lock(a.CID)()
	if !s.catalog.lies(a) {
		return nil // deleted or replaced meanwhile
	}
	if err := s.files.fs.Protect(a.path, false); err != nil {
		return err
	}
	f, err := s.files.fs.Open(a.path, true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header, 0)
	return full(errors.Join(err, f.Sync(), f.Close(), s.files.fs.Protect(a.path, true)))
}

func unpaced(ctx context.Context, _ int) error { return ctx.Err() }

// pace waits as long as reading n bytes may take.
func (s *scrubber) pace(ctx context.Context, n int) error {
	if s.rate == 0 {
		return ctx.Err()
	}
	wait := time.Duration(float64(n) / float64(s.rate) * float64(time.Second))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
