package index

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

	"github.com/weft-mesh/weft/atomicfile"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

// Use says what an artifact in the store is for.
type Use struct {
	Run   block.CID `json:"run"`
	As    usage     `json:"as"`
	Round uint64    `json:"round,omitempty"` // of an update or draft: the run's when it came
	Of    block.CID `json:"of,omitzero"`     // the outer step's state that it is a slot of; undefined: it is itself what is meant
}

// name returns what an artifact is part of: a state, or itself.
func (u Use) name(manifest block.CID) block.CID {
	if u.Of.Defined() {
		return u.Of
	}
	return manifest
}

type usage string

const (
	AsUpdate usage = "update" // a participant's; for participants only
	AsDraft  usage = "draft"  // a model computed here that the mesh has not committed; for participants only
	AsModel  usage = "model"  // a run's base or a committed model; for every site
)

// Index knows what each artifact in the store is for, and so who may read its shards. It is kept
// in a file: a lost one costs artifacts that have to be fetched again, never privacy.
type Index struct {
	path string
	log  *slog.Logger
	wake chan struct{} // for Run: there are changes to save

	saving sync.Mutex // held while the file is written; taken before mu
	saved  uint64     // changes that are in the file

	mu        sync.RWMutex
	changes   uint64                    // since the start
	committed map[block.CID]block.CID   // models and states -> their run, held or not
	uses      map[block.CID][]Use       // by manifest
	blocks    map[block.CID][]block.CID // shard or manifest -> the manifests it is part of
	of        map[block.CID][]block.CID // manifest -> it and its shards
}

// Open reads the index and removes artifacts from the store that it does not know: imports and
// results that a crash came before the use of.
func Open(path string, store blockstore.Store, log *slog.Logger) (*Index, error) {
	x := &Index{path: path, log: log, wake: make(chan struct{}, 1), committed: map[block.CID]block.CID{}, uses: map[block.CID][]Use{}, blocks: map[block.CID][]block.CID{}, of: map[block.CID][]block.CID{}}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &x.uses)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("index of artifacts is lost", "error", err)
		x.uses = map[block.CID][]Use{}
	}
	known := map[block.CID]bool{}
	for _, info := range store.Artifacts() {
		m, err := blockstore.ReadManifest(store, info.Manifest)
		if err != nil || len(x.uses[info.Manifest]) == 0 {
			if err := store.DeleteArtifact(info.Manifest); err != nil { // a full disk is no reason not to start
				log.Warn("an artifact that nothing needs is not removed; it is at the next start", "artifact", info.Manifest, "error", err)
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

// Models returns the artifacts that an index says are models, whose node may be running. Without an index there are none.
func Models(path string) (map[block.CID]bool, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	uses := map[block.CID][]Use{}
	if err := json.Unmarshal(data, &uses); err != nil {
		return nil, fmt.Errorf("index of artifacts: %w", err)
	}
	models := map[block.CID]bool{}
	for c, list := range uses {
		models[c] = slices.ContainsFunc(list, func(u Use) bool { return u.As == AsModel })
	}
	return models, nil
}

// link notes the blocks of an artifact; the mutex is held, or nobody else has x yet.
func (x *Index) link(manifest block.CID, shards []block.CID) {
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

// Add notes what an artifact is for, before its shards come into the store, unless ctx has ended: who
// ends it and then removes uses finds all there will ever be. It reports whether it did.
func (x *Index) Add(ctx context.Context, manifest block.CID, shards []block.CID, u Use) bool {
	added, changed := x.add(ctx, manifest, shards, u)
	if changed {
		x.save() // who is told of the artifact counts on it
	}
	return added
}

func (x *Index) add(ctx context.Context, manifest block.CID, shards []block.CID, u Use) (added, changed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() != nil {
		return false, false
	}
	x.link(manifest, shards)
	if run, ok := x.committed[u.name(manifest)]; ok && u.As == AsDraft && u.Run == run {
		u = Use{Run: run, As: AsModel, Of: u.Of} // the mesh was faster
	}
	if slices.Contains(x.uses[manifest], u) {
		return true, false
	}
	x.uses[manifest] = append(x.uses[manifest], u)
	x.changes++
	return true, true
}

// Commit makes a draft of the run a model, now or when it comes. It does not wait for the disk: the ledger says so again
// after a crash.
func (x *Index) Commit(manifest, run block.CID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.committed[manifest] = run
	if len(x.uses[manifest]) > 0 { // it is held here
		x.publish(manifest, Use{Run: run, As: AsModel})
	}
}

// CommitState is Commit for a state: for its slots.
func (x *Index) CommitState(name, run block.CID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.committed[name] = run
	for m, uses := range x.uses {
		if slices.ContainsFunc(uses, func(u Use) bool { return u.Of == name }) {
			x.publish(m, Use{Run: run, As: AsModel, Of: name})
		}
	}
}

// publish makes a use of an artifact as a draft one as a model; mu is held.
func (x *Index) publish(manifest block.CID, as Use) {
	uses := slices.DeleteFunc(x.uses[manifest], func(u Use) bool { return u.Run == as.Run && u.As == AsDraft && u.Of == as.Of })
	if !slices.Contains(uses, as) {
		uses = append(uses, as)
	}
	x.uses[manifest] = uses
	x.changed()
}

// changed has Run save what was changed; mu is held.
func (x *Index) changed() {
	x.changes++
	select {
	case x.wake <- struct{}{}:
	default: // it will save this too
	}
}

// Run saves changes that nobody waits for, many at once, until ctx ends.
func (x *Index) Run(ctx context.Context) error {
	for {
		select {
		case <-x.wake:
			x.save()
		case <-ctx.Done():
			x.save()
			return nil
		}
	}
}

// Remove drops the uses that drop names, and returns the artifacts that nothing needs any more, and the states that none of
// them is a slot of any more. It does not wait for the disk: what is no longer needed is found again after a crash.
func (x *Index) Remove(drop func(manifest block.CID, u Use) bool) (unused, states []block.CID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed, of := false, map[block.CID]bool{}
	for m, uses := range x.uses {
		left := slices.DeleteFunc(slices.Clone(uses), func(u Use) bool {
			gone := drop(m, u)
			if gone && u.Of.Defined() {
				of[u.Of] = true
			}
			return gone
		})
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
		x.changed()
	}
	for state := range of {
		if !x.slotOf(state) {
			states = append(states, state)
		}
	}
	slices.SortFunc(unused, block.CID.Compare)
	slices.SortFunc(states, block.CID.Compare)
	return unused, states
}

// HasSlot reports whether an artifact is here as a slot of a state.
func (x *Index) HasSlot(state block.CID) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.slotOf(state)
}

// RunsOf returns the runs that have a state, or that keep it as committed.
func (x *Index) RunsOf(state block.CID) (runs []block.CID) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, uses := range x.uses {
		for _, u := range uses {
			if u.Of == state && u.As == AsModel && !slices.Contains(runs, u.Run) {
				runs = append(runs, u.Run)
			}
		}
	}
	return runs
}

// slotOf is HasSlot; mu is held.
func (x *Index) slotOf(state block.CID) bool {
	for _, uses := range x.uses {
		if slices.ContainsFunc(uses, func(u Use) bool { return u.Of == state }) {
			return true
		}
	}
	return false
}

func (x *Index) unlink(manifest block.CID) {
	delete(x.uses, manifest)
	for _, c := range x.of[manifest] {
		left := slices.DeleteFunc(x.blocks[c], func(m block.CID) bool { return m == manifest })
		if x.blocks[c] = left; len(left) == 0 {
			delete(x.blocks, c)
		}
	}
	delete(x.of, manifest)
}

// Readable reports whether a block of an artifact may go to a site that takes part in the runs that
// in names, and whether it is one.
//
// Blocks are named by their content, so one may be part of several artifacts, and a stranger to a run
// may make it so: by opening another run whose base lists the shards of somebody's update. So what is in an
// update or draft is for the participants of its run, unless it is in a model of that same run too.
func (x *Index) Readable(c block.CID, in func(run block.CID) bool) (readable, known bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var public, restricted []block.CID // runs
	for _, m := range x.blocks[c] {
		for _, u := range x.uses[m] {
			if u.As == AsModel {
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

// Restricted returns the blocks of a run's updates and drafts.
func (x *Index) Restricted(run block.CID) (blocks []block.CID) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for m, uses := range x.uses {
		if slices.ContainsFunc(uses, func(u Use) bool { return u.Run == run && u.As != AsModel }) {
			blocks = append(blocks, x.of[m]...)
		}
	}
	return blocks
}

// Uses returns what an artifact is for.
func (x *Index) Uses(manifest block.CID) []Use {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Clone(x.uses[manifest])
}

// save replaces the file, unless another call has just saved all there is.
func (x *Index) save() {
	x.saving.Lock()
	defer x.saving.Unlock()
	x.mu.RLock()
	upTo := x.changes
	if upTo == x.saved {
		x.mu.RUnlock()
		return
	}
	data, err := json.Marshal(x.uses)
	x.mu.RUnlock()
	if err != nil {
		panic(err) // plain structs of ours
	}
	if err := atomicfile.Write(x.path, data, 0o600); err != nil {
		x.log.Warn("index of artifacts is not saved", "error", err)
		return
	}
	x.saved = upTo
}
