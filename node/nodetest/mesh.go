package nodetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/train"
)

// Config says what mesh a test wants.
type Config struct {
	Seed  uint64
	Sites int
	Model int                          // bytes of the model
	Shard uint64                       // elements of its shards
	Line  func(site int) Line          // nil: 100 Mbit/s
	Train func(site int) time.Duration // of one training

	Trainer func(site int) train.Trainer // nil: the synthetic one
}

// Mesh is a mesh whose sites run in this process.
type Mesh struct {
	Net     *Net
	Sites   []*Site
	Genesis *ledger.Genesis

	t   testing.TB
	cfg Config
}

// New founds a mesh; no site is up. It is called in a bubble of testing/synctest, whose end takes the
// sites down. With testing/cryptotest the sites' keys follow from a seed too.
func New(t testing.TB, c Config) *Mesh {
	t.Helper()
	m := &Mesh{Net: NewNet(c.Seed), t: t, cfg: c}
	dir := tempDir(t)
	t.Cleanup(m.close)
	var roster []ledger.Site
	for range c.Sites {
		s := m.init(dir)
		roster = append(roster, ledger.Site{ID: s.ID, Name: s.Name})
	}
	var err error
	if m.Genesis, err = ledger.NewGenesis("test", ledger.Byzantine, roster, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Sites {
		if err := node.Join(s.Dir, m.Genesis); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// init makes the directory of one more site, in no mesh yet.
func (m *Mesh) init(dir string) *Site {
	m.t.Helper()
	s := &Site{Name: fmt.Sprintf("s%02d", len(m.Sites)), mesh: m, index: len(m.Sites)}
	s.Dir = filepath.Join(dir, s.Name)
	var err error
	if s.ID, err = node.Init(s.Dir, s.Name); err != nil {
		m.t.Fatal(err)
	}
	m.Sites = append(m.Sites, s)
	return s
}

// Newcomer ties one more site, which is not in the genesis, to the mesh.
func (m *Mesh) Newcomer() *Site {
	m.t.Helper()
	s := m.init(filepath.Dir(m.Sites[0].Dir))
	if err := node.Join(s.Dir, m.Genesis); err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *Mesh) close() {
	for _, s := range m.Sites {
		if err := s.end(); err != nil {
			m.t.Errorf("site %s ended with %v", s, err)
		}
	}
	m.Net.Close()
}

// Up returns the sites that are up.
func (m *Mesh) Up() []*Site {
	var up []*Site
	for _, s := range m.Sites {
		if s.Node != nil {
			up = append(up, s)
		}
	}
	return up
}

// tempDir returns a folder in memory if the system has one to offer: nothing that a test kills
// takes the system's buffers with it, so syncing them would only take time. What a test that fails leaves
// stays there if that is asked for.
func tempDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "weft")
	if err != nil {
		if dir, err = os.MkdirTemp("", "weft"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() && os.Getenv(keep) != "" {
			t.Logf("the sites' directories are in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
