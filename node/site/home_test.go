package site

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
	_ "github.com/weft-mesh/weft/train/builtin" // which a new config.yaml chooses
)

func newGenesis(t *testing.T, name string, sites ...ledger.Site) *ledger.Genesis {
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
	w, _, err := wal.Open(filepath.Join(dir, LogFile), func(r round.Record) error {
		if r.Born != nil {
			born = *r.Born
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return born
}

func TestHome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := Open(dir); !errors.Is(err, ErrNotInitialised) || !strings.Contains(err.Error(), "weft init") {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := Init(dir, ""); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("no name: %v", err)
	}
	id, err := Init(dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, "a"); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, ConfigFile)); err != nil { // an Init that was interrupted
		t.Fatal(err)
	}
	if again, err := Init(dir, "a"); err != nil || again != id {
		t.Errorf("completed: %s, %v, want %s", again, err, id)
	}
	if info, err := os.Stat(filepath.Join(dir, KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info, err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNoMesh) || !strings.Contains(err.Error(), "weft mesh create") {
		t.Errorf("no mesh: %v", err)
	}

	g := newGenesis(t, "one", ledger.Site{ID: id, Name: "a"})
	for range 2 {
		if err := Join(dir, g); err != nil {
			t.Fatal(err)
		}
	}
	if err := Join(dir, newGenesis(t, "two", ledger.Site{ID: id, Name: "a"})); !errors.Is(err, ErrExists) {
		t.Errorf("a second mesh: %v", err)
	}
	h, err := Open(dir)
	if err != nil || h.ID != id || h.Genesis.Block().CID != g.Block().CID || h.Config.Name != "a" {
		t.Fatalf("%+v, %v", h, err)
	}
	if b := bornOf(t, dir); b.Lost || b.Site != id || b.Mesh != g.Block().CID {
		t.Errorf("born %+v", b)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte("name: a\nlisten: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), "config.yaml:2") {
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
	s, err := blockstore.OpenDisk(filepath.Join(dir, StoreDir), blockstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Join(dir, newGenesis(t, "one", ledger.Site{ID: id, Name: "a"})); err != nil {
		t.Fatal(err)
	}
	if !bornOf(t, dir).Lost {
		t.Error("the log is taken for a new site's")
	}
}
