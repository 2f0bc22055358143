package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

const (
	crashDir = "/store"
	update   = "/job/update.safetensors" // what a trainer left
	reversed = "/job/reversed.safetensors"
)

// life is a store's history that uses all it can do, and what was promised on the way.
type life struct {
	disk     *blockstore.CrashFS
	file     []byte // what the trainer wrote
	store    *blockstore.Disk
	fetched  blockstoretest.Artifact
	trained  blockstoretest.Artifact
	copied   blockstoretest.Artifact
	built    blockstoretest.Artifact
	promised map[block.CID]block.Block // blocks that must be there
	whole    map[block.CID]blockstoretest.Artifact
	gone     map[block.CID]bool // blocks that must not
	corrupt  bool               // a shard of trained was spoilt
}

func newLife(t *testing.T) *life {
	l := &life{
		disk:     blockstore.NewCrashFS(),
		fetched:  blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 1),
		trained:  blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 2),
		copied:   blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 3),
		built:    blockstoretest.NewArtifact(blockstoretest.Mixed, 8, 4),
		promised: make(map[block.CID]block.Block),
		whole:    make(map[block.CID]blockstoretest.Artifact),
		gone:     make(map[block.CID]bool),
	}
	l.file = safetensors(t, l.trained, nil)
	l.disk.Set(reversed, safetensors(t, l.copied, []int{5, 4, 3, 2, 1, 0}))
	return l
}

// begin returns a life on an empty disk but for what the trainer left.
func (l *life) begin() *life {
	next := *l
	next.disk = blockstore.NewCrashFS()
	next.disk.Write(update, l.file)
	next.disk.Set(reversed, l.disk.Data(reversed))
	return next.on(next.disk)
}

// on returns a life that goes on with another disk.
func (l *life) on(disk *blockstore.CrashFS) *life {
	next := *l
	next.disk = disk
	next.promised, next.whole, next.gone = maps.Clone(l.promised), maps.Clone(l.whole), maps.Clone(l.gone)
	return &next
}

// run does all steps up to the first error.
func (l *life) run() (err error) {
	if l.store, err = blockstore.OpenOn(l.disk, crashDir, blockstore.Options{}); err != nil {
		return err
	}
	for _, step := range []func() error{
		l.put, l.fetchHalf, l.fetchRest, l.importByRename, l.importByCopy, l.build, l.deletePut, l.deleteArtifact, l.spoil, l.fetchSpoilt,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return l.store.Close()
}

func (l *life) promise(blocks ...block.Block) {
	for _, b := range blocks {
		l.promised[b.CID] = b
		delete(l.gone, b.CID)
	}
}

func (l *life) promiseAll(a blockstoretest.Artifact) {
	l.whole[a.CID] = a
	l.promise(append([]block.Block{a.Manifest.Block(), a.Layout.Block()}, a.Shards...)...)
}

func (l *life) put() error {
	for i := range 3 {
		b := block.Of(fmt.Sprint("entry ", i))
		if err := l.store.Put(b); err != nil {
			return err
		}
		l.promise(b)
	}
	return nil
}

func (l *life) fetchHalf() error {
	w, err := l.store.Create(l.fetched.Manifest.Block(), l.fetched.Layout.Block(), blockstore.WriteOptions{Finite: true})
	if err != nil {
		return err
	}
	half := l.fetched.Shards[:len(l.fetched.Shards)/2]
	for _, b := range half {
		if err := w.WriteShard(b); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	if err := w.Sync(); err != nil {
		return errors.Join(err, w.Close())
	}
	l.promise(half...)
	if err := w.WriteShard(l.fetched.Shards[len(half)]); err != nil { // more, not synced
		return errors.Join(err, w.Close())
	}
	return w.Close()
}

func (l *life) fetchRest() error { return l.fetch(l.fetched) }

func (l *life) fetch(a blockstoretest.Artifact) error {
	w, err := l.store.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: true})
	if err != nil {
		return err
	}
	missing := w.Missing()
	for _, b := range a.Shards {
		if slices.Contains(missing, b.CID) {
			if err := w.WriteShard(b); err != nil {
				return errors.Join(err, w.Close())
			}
		}
	}
	if err := w.Commit(); err != nil {
		return errors.Join(err, w.Close())
	}
	l.promiseAll(a)
	return nil
}

func (l *life) importByRename() error {
	if l.disk.Data(update) == nil { // an earlier life got past it
		if l.corrupt {
			return nil
		}
		return blockstoretest.Complete(l.store, l.trained)
	}
	c, err := l.store.Import(context.Background(), update, blockstore.ImportOptions{ShardElements: 8})
	if err != nil {
		if l.disk.Data(update) != nil {
			l.disk.Write(update, l.file) // the trainer writes it again
		}
		return err
	}
	if c != l.trained.CID || l.disk.Data(update) != nil {
		return fmt.Errorf("imported %s, file left: %t", c, l.disk.Data(update) != nil)
	}
	l.promiseAll(l.trained)
	return nil
}

func (l *life) importByCopy() error {
	if _, err := l.store.Import(context.Background(), reversed, blockstore.ImportOptions{ShardElements: 8}); err != nil {
		return err
	}
	l.promiseAll(l.copied)
	return nil
}

func (l *life) build() error {
	if _, built := l.whole[l.built.CID]; built {
		return nil // another file would hide what became of the first
	}
	b, err := l.store.NewArtifact(blockstoretest.CutOf(l.built.Layout, 8))
	if err != nil {
		return err
	}
	if err := l.buildWith(b); err != nil {
		// A Builder can go on, but not past a failed fsync.
		if _, again := b.Commit(); again == nil || l.buildWith(b) == nil {
			l.promiseAll(l.built)
		}
		return errors.Join(err, b.Abort())
	}
	l.promiseAll(l.built)
	return nil
}

func (l *life) buildWith(b *blockstore.Builder) error {
	for i, s := range l.built.Shards {
		if _, err := b.WriteShard(i, s.Data); err != nil {
			return err
		}
	}
	_, err := b.Commit()
	return err
}

func (l *life) deletePut() error {
	c := block.Of("entry 1").CID
	delete(l.promised, c) // from now on it may be gone
	if err := l.store.Delete(c); err != nil {
		return err
	}
	l.gone[c] = true
	return nil
}

func (l *life) deleteArtifact() error {
	all := append([]block.Block{l.fetched.Manifest.Block()}, l.fetched.Shards...)
	delete(l.whole, l.fetched.CID)
	for _, b := range all {
		delete(l.promised, b.CID)
	}
	if err := l.store.DeleteArtifact(l.fetched.CID); err != nil {
		return err
	}
	for _, b := range all {
		l.gone[b.CID] = true
	}
	return nil
}

// spoil flips a bit of a stored shard and lets Scrub find it.
func (l *life) spoil() error {
	if l.corrupt {
		return nil
	}
	bad := l.trained.Shards[1]
	for _, name := range l.disk.Names(crashDir) {
		if at := bytes.LastIndex(l.disk.Data(name), bad.Data); strings.Contains(name, l.trained.CID.String()) && at > 0 {
			data := bytes.Clone(l.disk.Data(name))
			data[at] ^= 4
			l.disk.Set(name, data)
			l.corrupt = true
		}
	}
	if !l.corrupt {
		return errors.New("no file to spoil")
	}
	delete(l.whole, l.trained.CID)
	delete(l.promised, bad.CID)
	var found []error
	if err := l.store.Scrub(context.Background(), func(err error) { found = append(found, err) }); err != nil {
		return err
	}
	var c *blockstore.CorruptError
	if len(found) != 1 || !errors.As(found[0], &c) || c.Manifest != l.trained.CID || c.Shard != 1 || !errors.Is(c, block.ErrMismatch) {
		return fmt.Errorf("scrub found %w", errors.Join(found...))
	}
	return nil
}

func (l *life) fetchSpoilt() error { return l.fetch(l.trained) }

// check opens a store on what the disk holds after a crash, and looks for all that was
// promised. It returns a life that goes on from there.
func (l *life) check(disk *blockstore.CrashFS) (*life, error) {
	s, err := blockstore.OpenOn(disk, crashDir, blockstore.Options{})
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	for _, b := range l.promised {
		if got, err := s.Get(b.CID); err != nil || !bytes.Equal(got, b.Data) {
			return nil, fmt.Errorf("block %s: %x, %w", b.CID, got, err)
		}
	}
	for c := range l.gone {
		if s.Has(c) {
			return nil, fmt.Errorf("deleted block %s is back", c)
		}
	}
	for _, a := range l.whole {
		if err := blockstoretest.Complete(s, a); err != nil {
			return nil, fmt.Errorf("artifact %s: %w", a.CID, err)
		}
	}
	known := map[block.CID]blockstoretest.Artifact{l.fetched.CID: l.fetched, l.trained.CID: l.trained, l.copied.CID: l.copied, l.built.CID: l.built}
	for _, i := range s.Artifacts() {
		if i.State == blockstore.Damaged {
			return nil, fmt.Errorf("artifact %s is damaged", i.Manifest)
		}
		if i.State == blockstore.Complete && (!l.corrupt || i.Manifest != l.trained.CID) {
			if err := blockstoretest.Complete(s, known[i.Manifest]); err != nil {
				return nil, err
			}
		}
	}
	if disk.Data(update) != nil {
		disk.Write(update, l.file) // the trainer never synced it
	} else if !l.corrupt {
		if err := blockstoretest.Complete(s, l.trained); err != nil {
			return nil, fmt.Errorf("the trainer's file is gone, and so is the artifact: %w", err)
		}
	}
	if names := disk.Names(crashDir + "/tmp"); len(names) > 0 {
		return nil, fmt.Errorf("left over: %v", names)
	}
	err = s.Scrub(context.Background(), func(err error) {
		if !l.corrupt {
			panic(err)
		}
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return l.on(disk), nil
}

// TestCrash cuts the power at every step of a store's life, and looks what is left on the
// disk, in several ways each: nothing that was not synced, all of it, and random parts.
func TestCrash(t *testing.T) {
	t.Parallel()
	first := newLife(t)
	whole := first.begin()
	if err := whole.run(); err != nil {
		t.Fatal(err)
	}
	steps := whole.disk.Steps()
	if steps < 100 {
		t.Fatalf("a life has %d steps, too few to be one", steps)
	}
	t.Logf("%d steps", steps)
	for at := 1; at <= steps; at++ {
		l := first.begin()
		l.disk.Fail = func(step int, _, _ string) error {
			if step == at {
				return blockstore.ErrPower
			}
			return nil
		}
		if err := l.run(); !errors.Is(err, blockstore.ErrPower) {
			t.Fatalf("power cut at step %d: %v", at, err)
		}
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(seed, uint64(at)))
			if seed == 1 {
				random = nil
			}
			next, err := l.check(l.disk.After(random, min(1, float64(seed)/4)))
			if err == nil {
				err = next.run() // the store is as good as new
			}
			if err == nil {
				_, err = next.check(next.disk.After(rand.New(rand.NewPCG(seed, 0)), 0.5))
			}
			if err != nil {
				t.Fatalf("power cut at step %d, seed %d: %v", at, seed, err)
			}
		}
	}
}

// TestFullDisk fails every step in turn, once, and goes on with the same store.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	first := newLife(t)
	for variant := range 4 {
		cause, delete := []error{syscall.ENOSPC, syscall.EIO}[variant%2], variant < 2
		for at := 1; ; at++ {
			l := first.begin()
			failed := ""
			l.disk.Fail = func(step int, op, name string) error {
				if step == at {
					failed = op + " " + name
					return cause
				}
				return nil
			}
			err := l.run()
			if failed == "" {
				break // past the last step
			}
			if err != nil && !errors.Is(err, cause) || errors.Is(err, blockstore.ErrFull) != (err != nil && cause == syscall.ENOSPC) {
				t.Fatalf("%v at step %d, %s: %v", cause, at, failed, err)
			}
			if err != nil && l.store != nil {
				steps := []func() error{l.put, l.fetchHalf, l.fetchRest, l.importByRename, l.importByCopy, l.build}
				if delete {
					steps = append(steps, l.deletePut, l.deleteArtifact)
				}
				for _, step := range append(steps, l.store.Close) {
					if err := step(); err != nil {
						t.Fatalf("%v at step %d, %s: afterwards: %v", cause, at, failed, err)
					}
				}
			}
			if _, err := l.check(l.disk.After(rand.New(rand.NewPCG(1, uint64(at))), 0.5)); err != nil {
				t.Fatalf("%v at step %d, %s: opened again: %v", cause, at, failed, err)
			}
		}
	}
}
