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

// Artifacts implements Artifacts.
func (s *store) Artifacts() []Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	infos := make([]Info, 0, len(s.items))
	for _, it := range s.items {
		infos = append(infos, it.info())
	}
	slices.SortFunc(infos, func(a, b Info) int { return a.Manifest.Compare(b.Manifest) })
	return infos
}

// Scrub implements Store.
func (s *store) Scrub(ctx context.Context, report func(error)) error {
	var buf []byte
	for _, c := range slices.SortedFunc(maps.Keys(maps.Collect(s.All())), block.CID.Compare) {
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
	for _, i := range s.Artifacts() {
		s.mu.RLock()
		it := s.items[i.Manifest]
		s.mu.RUnlock()
		if it == nil {
			continue // deleted meanwhile
		}
		if _, err := s.scrubItem(ctx, it, s.pace, report); err != nil {
			return err
		}
	}
	return nil
}

// Check implements Artifacts.
func (s *store) Check(ctx context.Context, manifest block.CID) error {
	a, err := s.Open(manifest)
	if err != nil {
		return err
	}
	defer a.Close()
	s.mu.RLock()
	it := s.items[manifest]
	s.mu.RUnlock()
	if it == nil {
		return fmt.Errorf("artifact %s: %w", manifest, ErrNotFound) // deleted meanwhile
	}
	var first error
	unread, err := s.scrubItem(ctx, it, unpaced, func(bad error) { first = cmp.Or(first, bad) })
	if err := cmp.Or(err, first, unread); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.items[manifest] != it || it.state != Complete {
		return fmt.Errorf("artifact %s: changed while it was checked: %w", manifest, ErrIncomplete)
	}
	return nil
}

// scrubItem verifies the shards of an artifact, and its header if it is complete. It returns why a shard could not be read
// for another reason than damage, such as that somebody else has taken it out meanwhile.
func (s *store) scrubItem(ctx context.Context, it *item, pace func(context.Context, int) error, report func(error)) (unread, err error) {
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
			lost = append(lost, &CorruptError{it.shards[i], it.cid, i, s.relative(path), err})
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
	err = s.loseShards(it, bad)
	for _, l := range lost {
		report(with(l, err))
	}
	return unread, nil
}

// readShard reads a shard from the item's file, and returns the file's path. It returns
// ErrNotFound for a shard that is not in it.
func (s *store) readShard(it *item, i int, buf []byte) ([]byte, string, error) {
	f, path, offset, err := s.openFile(it, i)
	if err != nil {
		return nil, path, err
	}
	defer f.Close()
	shard := it.cut.Shard(i)
	buf = sized(buf, shard.Bytes)
	return buf, path, readFull(f, buf, offset+int64(shard.Offset))
}

// openFile opens the file of an item of which shard i is to be read.
func (s *store) openFile(it *item, i int) (f file, path string, offset int64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return nil, "", 0, ErrClosed
	case s.items[it.cid] != it || !it.holds(i):
		return nil, "", 0, ErrNotFound
	}
	f, err = s.fs.Open(it.path, false)
	return f, it.path, it.offset, err
}

// scrubHeader checks the header of a complete artifact's file, which no CID covers. A bad one
// is written anew, as the layout says all that is in it, and reported.
func (s *store) scrubHeader(manifest block.CID) error {
	a, err := s.Open(manifest)
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

func (s *store) repairHeader(a *Artifact) error {
	header := a.Layout.HeaderOfSize(int(a.offset))
	if header == nil {
		return fmt.Errorf("repair header of %s: there is no room for it; delete the artifact and fetch it again", a.CID)
	}
	defer s.artifactLanes.lock(a.CID)()
	s.mu.RLock()
	it := s.items[a.CID]
	same := it != nil && it.state == Complete && it.path == a.path && it.offset == a.offset
	s.mu.RUnlock()
	if !same {
		return nil // deleted or replaced meanwhile
	}
	if err := s.fs.Protect(a.path, false); err != nil {
		return err
	}
	f, err := s.fs.Open(a.path, true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header, 0)
	return full(errors.Join(err, f.Sync(), f.Close(), s.fs.Protect(a.path, true)))
}

func unpaced(ctx context.Context, _ int) error { return ctx.Err() }

// pace waits as long as reading n bytes may take.
func (s *store) pace(ctx context.Context, n int) error {
	if s.opt.ScrubBytesPerSecond == 0 {
		return ctx.Err()
	}
	wait := time.Duration(float64(n) / float64(s.opt.ScrubBytesPerSecond) * float64(time.Second))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
