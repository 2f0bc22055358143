package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/site"
)

// fullStore is a store whose disk is full.
type fullStore struct {
	blockstore.Store
	full bool
}

func (s *fullStore) Put(b block.Block) error {
	if s.full {
		return blockstore.ErrFull
	}
	return s.Store.Put(b)
}

// What the store has no room for of the ledger is read from memory, and put once there is room.
func TestShelfOnFullDisk(t *testing.T) {
	g, err := ledger.NewGenesis("test", ledger.Byzantine, []ledger.Site{{ID: "a", Name: "a"}}, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	store := &fullStore{blockstore.NewMemory(blockstore.Options{}), true}
	s := newShelf(store, slog.New(slog.DiscardHandler), func(error) {})
	s.fill(g, ledger.NewLedger(g, ledger.VerifySignature))
	id := g.Block().CID
	if data, err := s.Get(id); err != nil || id.Verify(data) != nil || store.Has(id) {
		t.Errorf("the genesis is not at hand: %v", err)
	}
}

// A site whose trace cannot be written starts, and removes what nothing needs before it writes anything: an update of a round that
// is over, and the base of a run that nobody asks for any more.
func TestStartsOnFullDisk(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 1, nil)
	s := sites[0]
	s.up()
	run := s.start(ledger.RunSpec{Name: "r", Rounds: 2})
	s.awaitRounds(run, 2)
	var models []block.CID
	for _, h := range s.await("the models", func(*api.Status) bool { return true }).Runs[0].History {
		models = append(models, h.Model)
	}
	m, err := blockstore.ReadManifest(s.node.store, models[0])
	if err != nil {
		t.Fatal(err)
	}
	if !s.node.index.Add(t.Context(), models[1], nil, index.Use{Run: run, As: index.AsModel}) || !s.node.index.Add(t.Context(), models[0], m.Shards, index.Use{Run: m.Layout, As: index.AsModel}) {
		t.Fatal("the index takes nothing")
	}
	s.down()
	trace := filepath.Join(s.dir, site.TraceFile)
	if err := os.Remove(trace); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(trace, 0o700); err != nil { // as good as a disk without room
		t.Fatal(err)
	}
	s.up()
	if uses := s.node.index.Uses(models[0]); slices.ContainsFunc(uses, func(u index.Use) bool { return u.Run == m.Layout }) {
		t.Errorf("the base of a run that nobody asks for is kept: %v", uses)
	}
	if !s.node.store.Has(models[1]) {
		t.Error("the newest model is gone")
	}
}
