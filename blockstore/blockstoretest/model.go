package blockstoretest

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

// model is a store as plain maps, to compare with.
type model struct {
	store  blockstore.Store
	pool   []Artifact // few, with shared shards, so that they meet
	put    map[block.CID]block.Block
	shards map[int]map[int]bool // of artifacts in the store by index in pool: those held
	whole  map[int]bool         // complete ones
}

// testModel compares a store with the model after random histories.
func testModel(t *testing.T, newStore func(testing.TB) blockstore.Store) {
	first := NewArtifact(Mixed, 8, 1)
	coarse := Cut(Mixed, 16, first.Data)
	pool := []Artifact{first, sibling(first), coarse, NewArtifact(Mixed, 8, 2)}
	store := newStore(t)
	rapid.Check(t, func(r *rapid.T) {
		if store.Stat() != (blockstore.Stat{}) {
			store = newStore(t) // the last history failed
		}
		m := &model{
			store: store, pool: pool,
			put: make(map[block.CID]block.Block), shards: make(map[int]map[int]bool), whole: make(map[int]bool),
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			step := rapid.SampledFrom([]func(*rapid.T){m.putBlock, m.deleteBlock, m.write, m.write, m.write, m.build, m.delete}).Draw(r, "step")
			step(r)
			if rapid.IntRange(0, 3).Draw(r, "look") == 0 {
				m.check(r)
			}
		}
		m.check(r)
		m.clear(r)
	})
}

func (m *model) artifact(r *rapid.T) int {
	return rapid.IntRange(0, len(m.pool)-1).Draw(r, "artifact")
}

func (m *model) putBlock(r *rapid.T) {
	a := m.pool[m.artifact(r)]
	b := rapid.SampledFrom(append([]block.Block{a.Manifest.Block(), a.Layout.Block(), block.Of("entry")}, a.Shards...)).Draw(r, "block")
	if err := m.store.Put(b); err != nil {
		r.Fatal(err)
	}
	m.put[b.CID] = b
}

func (m *model) deleteBlock(r *rapid.T) {
	a := m.pool[m.artifact(r)]
	c := rapid.SampledFrom(append([]block.CID{a.CID, a.Manifest.Layout, block.Of("entry").CID}, a.Manifest.Shards...)).Draw(r, "block")
	err := m.store.Delete(c)
	inUse := false
	for i := range m.shards {
		inUse = inUse || m.pool[i].CID == c || m.pool[i].Manifest.Layout == c
	}
	if (err != nil) != inUse {
		r.Fatalf("delete, in use %t: %v", inUse, err)
	}
	if !inUse {
		delete(m.put, c)
	}
}

// write gives some shards to an artifact, as a fetch that stops half-way, and ends it.
func (m *model) write(r *rapid.T) {
	i := m.artifact(r)
	a := m.pool[i]
	before := m.find()
	w, err := m.store.Create(a.Manifest.Block(), a.Layout.Block(), blockstore.WriteOptions{Finite: rapid.Bool().Draw(r, "finite")})
	if err != nil {
		r.Fatal(err)
	}
	held := m.shards[i]
	if held == nil {
		held = make(map[int]bool)
	}
	for j, b := range a.Shards { // those that the store had somewhere are copied
		_, has := before[b.CID]
		held[j] = held[j] || has
	}
	for _, j := range rapid.SliceOf(rapid.IntRange(0, len(a.Shards)-1)).Draw(r, "shards") {
		if err := w.WriteShard(a.Shards[j]); err != nil {
			r.Fatal(err)
		}
		held[j] = true
	}
	missing := 0
	for j := range a.Shards {
		if !held[j] {
			missing++
		}
	}
	if got := len(w.Missing()); got != missing {
		r.Fatalf("%d missing, want %d", got, missing)
	}
	m.shards[i] = held
	switch rapid.SampledFrom([]string{"close", "abort", "commit"}).Draw(r, "end") {
	case "close":
		err = w.Close()
	case "abort":
		if err = w.Abort(); !m.whole[i] {
			m.remove(i)
		}
	case "commit":
		err = w.Commit()
		if (err == nil) != (missing == 0) {
			r.Fatalf("commit with %d missing: %v", missing, err)
		}
		m.whole[i] = missing == 0
		err = w.Close()
	}
	if err != nil {
		r.Fatal(err)
	}
}

func (m *model) build(r *rapid.T) {
	i := m.artifact(r)
	a := m.pool[i]
	b, err := m.store.NewArtifact(CutOf(a.Layout, a.Manifest.ShardElements))
	if err != nil {
		r.Fatal(err)
	}
	m.shards[i], m.whole[i] = make(map[int]bool), true
	for j, s := range a.Shards {
		if _, err := b.WriteShard(j, s.Data); err != nil {
			r.Fatal(err)
		}
		m.shards[i][j] = true
	}
	if c, err := b.Commit(); err != nil || c != a.CID {
		r.Fatalf("built %s, %v", c, err)
	}
}

func (m *model) delete(r *rapid.T) {
	i := m.artifact(r)
	if err := m.store.DeleteArtifact(m.pool[i].CID); err != nil {
		r.Fatal(err)
	}
	m.remove(i)
}

// clear deletes everything.
func (m *model) clear(r *rapid.T) {
	for _, a := range m.pool {
		if err := m.store.DeleteArtifact(a.CID); err != nil {
			r.Fatal(err)
		}
	}
	for c := range m.store.All() {
		if err := m.store.Delete(c); err != nil {
			r.Fatal(err)
		}
	}
	if st := m.store.Stat(); st != (blockstore.Stat{}) {
		r.Fatalf("all deleted, yet stat %+v", st)
	}
}

func (m *model) remove(i int) {
	delete(m.put, m.pool[i].CID)
	if m.shards[i] == nil {
		return
	}
	delete(m.shards, i)
	delete(m.whole, i)
	delete(m.put, m.pool[i].Manifest.Layout)
}

// find returns the blocks that the model says are in the store.
func (m *model) find() map[block.CID]block.Block {
	all := make(map[block.CID]block.Block)
	for c, b := range m.put {
		all[c] = b
	}
	for i, held := range m.shards {
		a := m.pool[i]
		all[a.CID] = a.Manifest.Block()
		all[a.Manifest.Layout] = a.Layout.Block()
		for j := range held {
			if held[j] {
				all[a.Shards[j].CID] = a.Shards[j]
			}
		}
	}
	return all
}

func (m *model) check(r *rapid.T) {
	want := m.find()
	for i, a := range m.pool {
		for _, b := range append([]block.Block{a.Manifest.Block(), a.Layout.Block(), block.Of("entry")}, a.Shards...) {
			err := lacks(m.store, b.CID)
			if _, held := want[b.CID]; held {
				err = holds(m.store, b)
			}
			if err != nil {
				r.Fatalf("artifact %d: %v", i, err)
			}
		}
		if m.whole[i] {
			if err := Complete(m.store, a); err != nil {
				r.Fatalf("artifact %d: %v", i, err)
			}
		}
	}
	states := make(map[block.CID]string)
	for i, held := range m.shards {
		n := 0
		for _, h := range held {
			if h {
				n++
			}
		}
		state := blockstore.Partial
		if m.whole[i] {
			state = blockstore.Complete
		}
		states[m.pool[i].CID] = fmt.Sprint(state, n)
	}
	infos := m.store.Artifacts()
	for _, info := range infos {
		if got := fmt.Sprint(info.State, info.Held); states[info.Manifest] != got {
			r.Fatalf("%s is %s, want %s", info.Manifest, got, states[info.Manifest])
		}
	}
	if len(infos) != len(states) {
		r.Fatalf("%d artifacts, want %d", len(infos), len(states))
	}
}
