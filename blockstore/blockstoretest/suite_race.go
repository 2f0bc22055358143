package blockstoretest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/blockstore"
)

// testConcurrent lets goroutines fetch, build, import, read, delete and scrub the same few
// artifacts. What is read must be right, and nothing may be found corrupt.
func testConcurrent(t *testing.T, s blockstore.Store) {
	first := NewArtifact(Mixed, 8, 1)
	pool := []Artifact{first, sibling(first), Cut(Mixed, 16, first.Data)}
	steps := []func(*rand.Rand, Artifact) error{
		func(r *rand.Rand, a Artifact) error { return fetch(r, s, a) },
		func(_ *rand.Rand, a Artifact) error { return build(s, a) },
		func(_ *rand.Rand, a Artifact) error {
			_, err := s.Import(t.Context(), a.File(t, nil), blockstore.ImportOptions{ShardElements: a.Manifest.ShardElements})
			return err
		},
		func(_ *rand.Rand, a Artifact) error { return s.DeleteArtifact(a.CID) },
		func(r *rand.Rand, a Artifact) error { return s.Put(a.Shards[r.IntN(len(a.Shards))]) },
		func(r *rand.Rand, a Artifact) error { return s.Delete(a.Shards[r.IntN(len(a.Shards))].CID) },
		func(r *rand.Rand, a Artifact) error { return s.Delete(a.Manifest.Layout) },
		func(*rand.Rand, Artifact) error { return s.Scrub(t.Context(), func(err error) { t.Error(err) }) },
		func(r *rand.Rand, a Artifact) error {
			b := a.Shards[r.IntN(len(a.Shards))]
			data, err := s.Get(b.CID)
			if err == nil && string(data) != string(b.Data) {
				return fmt.Errorf("shard %s: %x", b.CID, data)
			}
			return err
		},
		func(r *rand.Rand, a Artifact) error {
			o, err := s.Open(a.CID)
			if err != nil {
				return err
			}
			defer o.Close()
			i := r.IntN(o.Len())
			data, err := o.ReadShard(i, nil)
			if err == nil {
				err = o.Manifest.Shards[i].Verify(data)
			}
			return err
		},
	}
	var group sync.WaitGroup
	for g := range uint64(4) {
		group.Go(func() {
			r := rand.New(rand.NewPCG(g, 0))
			for range 60 {
				step := r.IntN(len(steps))
				err := steps[step](r, pool[r.IntN(len(pool))])
				if !expected(err) {
					t.Errorf("step %d: %v", step, err)
				}
			}
		})
	}
	group.Wait()
	for _, a := range pool {
		must(t, build(s, a))
		wantArtifact(t, s, a)
	}
	must(t, s.Scrub(t.Context(), func(err error) { t.Error(err) }))
	for _, a := range pool {
		must(t, s.DeleteArtifact(a.CID))
	}
	for c := range s.All() {
		must(t, s.Delete(c))
	}
	if st := s.Stat(); st != (blockstore.Stat{}) {
		t.Errorf("stat %+v", st)
	}
}

// expected reports whether goroutines that do not know of each other may get the error.
func expected(err error) bool {
	for _, e := range []error{nil, blockstore.ErrNotFound, blockstore.ErrIncomplete, blockstore.ErrBusy, blockstore.ErrInUse} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func fetch(r *rand.Rand, s blockstore.Store, a Artifact) error {
	w, err := s.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: r.IntN(2) == 0})
	if err != nil {
		return err
	}
	for _, i := range r.Perm(len(a.Shards))[:r.IntN(len(a.Shards)+1)] {
		if err := w.WriteShard(a.Shards[i]); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	switch r.IntN(3) {
	case 0:
		return w.Abort()
	case 1:
		return w.Close()
	}
	if err := w.Commit(); !errors.Is(err, blockstore.ErrIncomplete) {
		return err
	}
	return w.Close()
}

func build(s blockstore.Store, a Artifact) error {
	b, err := s.NewArtifact(CutOf(a.Layout, a.Manifest.ShardElements))
	if err != nil {
		return err
	}
	for i, shard := range a.Shards {
		if _, err := b.WriteShard(i, shard.Data); err != nil {
			return errors.Join(err, b.Abort())
		}
	}
	c, err := b.Commit()
	if err == nil && c != a.CID {
		err = fmt.Errorf("built %s, want %s", c, a.CID)
	}
	return err
}
