package node

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/archive"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/wal"
)

// A directory says without its node what the node says; what is missing or damaged in it is named.
func TestArchive(t *testing.T) {
	t.Parallel()
	sites := newTestMesh(t, 2, nil)
	upAll(sites)
	s := sites[0]
	run := s.start(ledger.RunSpec{Name: "kept", Rounds: 2, MinSites: 2})
	live := s.awaitRounds(run, 2)
	good := s.export(live.History[1].Model)
	entries, err := s.client.Ledger(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	s.down()

	a, err := archive.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := a.Status(t.Context())
	if err != nil || len(st.Runs) != 1 || st.Runs[0].Phase != api.PhaseDone || st.Runs[0].Done != 2 || st.Runs[0].History[1].Model != live.History[1].Model || !st.Runs[0].History[1].Held {
		t.Errorf("status %+v, %v", st, err)
	}
	if list, err := a.Ledger(t.Context(), 2, 2); err != nil || len(list) != 2 || list[0].CID != entries[1].CID || list[1].Summary != entries[2].Summary {
		t.Errorf("ledger %+v, %v", list, err)
	}
	if r, err := a.Roster(t.Context()); err != nil || len(r.Sites) != 2 || r.Quorum != 2 {
		t.Errorf("roster %+v, %v", r, err)
	}
	read := func(ctx context.Context) ([]byte, error) {
		body, err := a.Model(ctx, live.ID, live.History[1].Model)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return io.ReadAll(body)
	}
	if data, err := read(t.Context()); err != nil || string(data) != string(good) {
		t.Errorf("a model of %d bytes, %v", len(data), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := read(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a model for who is gone: %v", err)
	}
	for what, c := range map[string]block.CID{"the genesis": st.Mesh, "an entry": entries[0].CID, "a manifest": live.History[1].Model} {
		if data, err := a.Block(t.Context(), c); err != nil || c.Verify(data) != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := a.Model(t.Context(), block.CID{}, testCID(block.DagCBOR, "none")); !errors.Is(err, blockstore.ErrNotFound) || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("a model that is not there: %v", err)
	}

	log := filepath.Join(s.dir, site.LogFile)
	info, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(log, info.Size()-1); err != nil {
		t.Fatal(err)
	}
	if a, err = archive.Open(s.dir); err != nil || a.Report().Torn == 0 {
		t.Errorf("a log that was cut: %v", err)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Open(s.dir); !errors.Is(err, wal.ErrDamaged) || !strings.Contains(err.Error(), "weft up") {
		t.Errorf("without a log: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, site.GenesisFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Open(s.dir); !errors.Is(err, site.ErrGenesis) || !strings.Contains(err.Error(), "weft mesh join") {
		t.Errorf("with a damaged genesis: %v", err)
	}
}
