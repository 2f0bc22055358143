package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/wal"
)

// A node whose log cannot be written stops, and says what to do.
func TestStopsWithoutLog(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	s.up()
	if err := s.node.loop.log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Start(t.Context(), api.RunRequest{Spec: ledger.RunSpec{Name: "x", Rounds: 1}, Init: true}); err != nil {
		t.Logf("start: %v", err) // the node may be gone before it answers
	}
	if err := <-s.ended; err == nil || !strings.Contains(err.Error(), "log: ") || !strings.Contains(err.Error(), "hint: the node stops") {
		t.Errorf("ended with %v", err)
	}
	s.ended <- nil // for the cleanup
}

// Damage in a log keeps the node from starting.
func TestRefusesDamagedLog(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	s.up()
	s.awaitRounds(s.start(ledger.RunSpec{Name: "x", Rounds: 1}), 1)
	s.down()
	path := filepath.Join(s.dir, site.LogFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := site.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(h, Options{Timing: quick(), Log: s.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(t.Context()); !errors.Is(err, wal.ErrDamaged) {
		t.Errorf("damaged log: %v", err)
	}
	if _, err := archive.Verify(s.dir); !errors.Is(err, wal.ErrDamaged) {
		t.Errorf("verify of a damaged log: %v", err)
	}
}

// Another site's key, or another mesh's genesis, beside a good log: that is said, and not that the log is damaged.
func TestRefusesAnothersLog(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	upAll(sites)
	for _, s := range sites {
		s.await("all", func(st *api.Status) bool { return st.Up == 2 })
	}
	for _, s := range sites {
		s.down()
	}
	own, other := sites[0], sites[1]
	replace := func(name string, data []byte) (old []byte) {
		path := filepath.Join(own.dir, name)
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return old
	}
	start := func() error {
		h, err := site.Open(own.dir)
		if err != nil {
			return err
		}
		n, err := New(h, Options{Timing: quick(), Log: own.log})
		if err != nil {
			return err
		}
		return n.Run(t.Context())
	}
	key, err := os.ReadFile(filepath.Join(other.dir, site.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	old := replace(site.KeyFile, key)
	if err := start(); err == nil || errors.Is(err, wal.ErrDamaged) || !strings.Contains(err.Error(), "put the site's own key back") || !strings.Contains(err.Error(), own.id.String()) {
		t.Errorf("another's key: %v", err)
	}
	replace(site.KeyFile, old)
	g, err := ledger.NewGenesis("another", ledger.Byzantine, []ledger.Site{{ID: own.id, Name: own.name}}, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	old = replace(site.GenesisFile, g.Block().Data)
	if err := start(); err == nil || errors.Is(err, wal.ErrDamaged) || !strings.Contains(err.Error(), "is the log of mesh") {
		t.Errorf("another's genesis: %v", err)
	}
	replace(site.GenesisFile, old)
	if err := os.Remove(filepath.Join(own.dir, site.KeyFile)); err != nil {
		t.Fatal(err)
	}
	if err := start(); !errors.Is(err, site.ErrNotInitialised) || !strings.Contains(err.Error(), "put the key back from its backup") {
		t.Errorf("no key: %v", err)
	}
}
