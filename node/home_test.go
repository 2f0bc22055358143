package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

func testGenesis(t *testing.T, name string, sites ...ledger.Site) *ledger.Genesis {
	t.Helper()
	g, err := ledger.NewGenesis(name, ledger.Byzantine, sites, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// bornOf returns the born record of a site's log.
func bornOf(t *testing.T, dir string) (born round.Born) {
	t.Helper()
	w, _, err := openWAL(filepath.Join(dir, logName), func(r round.Record) error {
		if r.Born != nil {
			born = *r.Born
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return born
}

func TestHome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := Open(dir); !errors.Is(err, ErrNotInitialised) || !strings.Contains(err.Error(), "weft init") {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := Init(dir, ""); !errors.Is(err, ErrConfig) {
		t.Errorf("no name: %v", err)
	}
	id, err := Init(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, "a"); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, configName)); err != nil { // an Init that was interrupted
		t.Fatal(err)
	}
	if again, err := Init(dir, "a"); err != nil || again != id {
		t.Errorf("completed: %s, %v, want %s", again, err, id)
	}
	if info, err := os.Stat(filepath.Join(dir, keyName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info, err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNoMesh) || !strings.Contains(err.Error(), "weft mesh create") {
		t.Errorf("no mesh: %v", err)
	}

	g := testGenesis(t, "one", ledger.Site{ID: id, Name: "a"})
	for range 2 {
		if err := Join(dir, g); err != nil {
			t.Fatal(err)
		}
	}
	if err := Join(dir, testGenesis(t, "two", ledger.Site{ID: id, Name: "a"})); !errors.Is(err, ErrExists) {
		t.Errorf("a second mesh: %v", err)
	}
	h, err := Open(dir)
	if err != nil || h.ID != id || h.Genesis.Block().CID != g.Block().CID || h.Config.Name != "a" {
		t.Fatalf("%+v, %v", h, err)
	}
	if b := bornOf(t, dir); b.Lost || b.Site != id || b.Mesh != g.Block().CID {
		t.Errorf("born %+v", b)
	}
	if err := os.WriteFile(filepath.Join(dir, configName), []byte("name: a\nlisten: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "config.yaml:2") {
		t.Errorf("bad configuration: %v", err)
	}
}

// Who joins again after having been up may have voted, and the votes are gone.
func TestJoinAgainIsLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	id, err := Init(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	s, err := blockstore.OpenDisk(filepath.Join(dir, storeName), blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Join(dir, testGenesis(t, "one", ledger.Site{ID: id, Name: "a"})); err != nil {
		t.Fatal(err)
	}
	if !bornOf(t, dir).Lost {
		t.Error("the log is taken for a new site's")
	}
}

// A node whose log cannot be written stops, and says what to do.
func TestStopsWithoutLog(t *testing.T) {
	t.Parallel()
	s := newTestMesh(t, 1, nil)[0]
	s.up()
	if err := s.node.wal.f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Start(t.Context(), RunRequest{Spec: ledger.RunSpec{Name: "x", Rounds: 1}, Init: true}); err != nil {
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
	path := filepath.Join(s.dir, logName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(h, Options{Timing: quick(), Log: s.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(t.Context()); !errors.Is(err, ErrLog) {
		t.Errorf("damaged log: %v", err)
	}
	if _, err := Verify(s.dir); !errors.Is(err, ErrLog) {
		t.Errorf("verify of a damaged log: %v", err)
	}
}

// Another site's key, or another mesh's genesis, beside a good log: that is said, and not that the log is damaged.
func TestRefusesAnothersLog(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	upAll(sites)
	for _, s := range sites {
		s.await("all", func(st *Status) bool { return st.Up == 2 })
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
		h, err := Open(own.dir)
		if err != nil {
			return err
		}
		n, err := New(h, Options{Timing: quick(), Log: own.log})
		if err != nil {
			return err
		}
		return n.Run(t.Context())
	}
	key, err := os.ReadFile(filepath.Join(other.dir, keyName))
	if err != nil {
		t.Fatal(err)
	}
	old := replace(keyName, key)
	if err := start(); err == nil || errors.Is(err, ErrLog) || !strings.Contains(err.Error(), "put the site's own key back") || !strings.Contains(err.Error(), own.id.String()) {
		t.Errorf("another's key: %v", err)
	}
	replace(keyName, old)
	g, err := ledger.NewGenesis("another", ledger.Byzantine, []ledger.Site{{ID: own.id, Name: own.name}}, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	old = replace(genesisName, g.Block().Data)
	if err := start(); err == nil || errors.Is(err, ErrLog) || !strings.Contains(err.Error(), "is the log of mesh") {
		t.Errorf("another's genesis: %v", err)
	}
	replace(genesisName, old)
	if err := os.Remove(filepath.Join(own.dir, keyName)); err != nil {
		t.Fatal(err)
	}
	if err := start(); !errors.Is(err, ErrNotInitialised) || !strings.Contains(err.Error(), "put the key back from its backup") {
		t.Errorf("no key: %v", err)
	}
}
