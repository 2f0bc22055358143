package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

// use says what an artifact in the store is for.
type use struct {
	Run   block.CID `json:"run"`
	As    usage     `json:"as"`
	Round uint64    `json:"round,omitempty"` // of an update or draft: the run's when it came
}

type usage string

const (
	asUpdate usage = "update" // a participant's; for participants only
	asDraft  usage = "draft"  // a model computed here that the mesh has not committed; for participants only
	asModel  usage = "model"  // a run's base or a committed model; for every site
)

// index knows what each artifact in the store is for, and so who may read its shards. It is kept
// in a file: a lost one costs artifacts that have to be fetched again, never privacy.
type index struct {
	path string
	log  *slog.Logger

	mu        sync.RWMutex
	committed map[block.CID]block.CID   // models -> their run, held or not
	uses      map[block.CID][]use       // by manifest
	blocks    map[block.CID][]block.CID // shard or manifest -> the manifests it is part of
	of        map[block.CID][]block.CID // manifest -> it and its shards
}

// openIndex reads the index and removes artifacts from the store that it does not know: imports and
// results that a crash came before the use of.
func openIndex(path string, store blockstore.Store, log *slog.Logger) (*index, error) {
	x := &index{path: path, log: log, committed: map[block.CID]block.CID{}, uses: map[block.CID][]use{}, blocks: map[block.CID][]block.CID{}, of: map[block.CID][]block.CID{}}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &x.uses)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("index of artifacts is lost", "error", err)
		x.uses = map[block.CID][]use{}
	}
	known := map[block.CID]bool{}
	for _, info := range store.Artifacts() {
		m, err := blockstore.ReadManifest(store, info.Manifest)
		if err != nil || len(x.uses[info.Manifest]) == 0 {
			if err := store.DeleteArtifact(info.Manifest); err != nil {
				return nil, fmt.Errorf("remove an artifact that nothing needs: %w", err)
			}
			continue
		}
		known[info.Manifest] = true
		x.link(info.Manifest, m.Shards)
	}
	for m := range x.uses {
		if !known[m] {
			delete(x.uses, m)
		}
	}
	return x, nil
}

// link notes the blocks of an artifact; the mutex is held, or nobody else has x yet.
func (x *index) link(manifest block.CID, shards []block.CID) {
	if _, ok := x.of[manifest]; ok {
		return
	}
	blocks := append([]block.CID{manifest}, shards...)
	x.of[manifest] = blocks
	for _, c := range blocks {
		if !slices.Contains(x.blocks[c], manifest) {
			x.blocks[c] = append(x.blocks[c], manifest)
		}
	}
}

// add notes what an artifact is for, before its shards come into the store, unless ctx has ended: who
// ends it and then removes uses finds all there will ever be. It reports whether it did.
func (x *index) add(ctx context.Context, manifest block.CID, shards []block.CID, u use) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	x.link(manifest, shards)
	if run, ok := x.committed[manifest]; ok && u.As == asDraft && u.Run == run {
		u = use{Run: run, As: asModel} // the mesh was faster
	}
	if !slices.Contains(x.uses[manifest], u) {
		x.uses[manifest] = append(x.uses[manifest], u)
		x.save()
	}
	return true
}

// commit makes a draft of the run a model, now or when it comes.
func (x *index) commit(manifest, run block.CID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.committed[manifest] = run
	uses := x.uses[manifest]
	if len(uses) == 0 {
		return // not held here
	}
	uses = slices.DeleteFunc(uses, func(u use) bool { return u.Run == run && u.As == asDraft })
	if u := (use{Run: run, As: asModel}); !slices.Contains(uses, u) {
		uses = append(uses, u)
	}
	x.uses[manifest] = uses
	x.save()
}

// remove drops the uses that drop names, and returns the artifacts that nothing needs any more.
func (x *index) remove(drop func(manifest block.CID, u use) bool) (unused []block.CID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed := false
	for m, uses := range x.uses {
		left := slices.DeleteFunc(slices.Clone(uses), func(u use) bool { return drop(m, u) })
		if len(left) == len(uses) {
			continue
		}
		changed = true
		if x.uses[m] = left; len(left) == 0 {
			x.unlink(m)
			unused = append(unused, m)
		}
	}
	if changed {
		x.save()
	}
	slices.SortFunc(unused, block.CID.Compare)
	return unused
}

func (x *index) unlink(manifest block.CID) {
	delete(x.uses, manifest)
	for _, c := range x.of[manifest] {
		left := slices.DeleteFunc(x.blocks[c], func(m block.CID) bool { return m == manifest })
		if x.blocks[c] = left; len(left) == 0 {
			delete(x.blocks, c)
		}
	}
	delete(x.of, manifest)
}

// readable reports whether a block of an artifact may go to a site that takes part in the runs that
// in names, and whether it is one.
//
// Blocks are named by their content, so one may be part of several artifacts, and a stranger to a run
// may make it so: by opening another run whose base lists the shards of somebody's update. So what is in an
// update or draft is for the participants of its run, unless it is in a model of that same run too.
func (x *index) readable(c block.CID, in func(run block.CID) bool) (readable, known bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var public, restricted []block.CID // runs
	for _, m := range x.blocks[c] {
		for _, u := range x.uses[m] {
			if u.As == asModel {
				public = append(public, u.Run)
			} else {
				restricted = append(restricted, u.Run)
			}
		}
	}
	if len(restricted) == 0 {
		return len(public) > 0, len(public) > 0
	}
	ok := slices.ContainsFunc(restricted, func(run block.CID) bool { return in(run) || slices.Contains(public, run) })
	return ok, true
}

// restricted returns the blocks of a run's updates and drafts.
func (x *index) restricted(run block.CID) (blocks []block.CID) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for m, uses := range x.uses {
		if slices.ContainsFunc(uses, func(u use) bool { return u.Run == run && u.As != asModel }) {
			blocks = append(blocks, x.of[m]...)
		}
	}
	return blocks
}

// usesOf returns what an artifact is for.
func (x *index) usesOf(manifest block.CID) []use {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Clone(x.uses[manifest])
}

// save replaces the file. It need not be durable: see index.
func (x *index) save() {
	data, err := json.Marshal(x.uses)
	if err != nil {
		panic(err) // plain structs of ours
	}
	temp := x.path + ".new"
	err = os.WriteFile(temp, data, 0o600)
	if err == nil {
		err = os.Rename(temp, x.path)
	}
	if err != nil {
		x.log.Warn("index of artifacts is not saved", "error", err)
	}
}
