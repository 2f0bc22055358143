package backup

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
)

// newSite returns the directory of a site of a mesh of its own, which has run, and the names of a model and of an update in its store.
func newSite(t *testing.T, joined bool) (dir string, model, update block.CID) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "site")
	id, err := site.InitConfig(dir, "name: north\ntrainer: {synthetic: {}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if joined {
		g, err := ledger.NewGenesis("test", ledger.Byzantine, []ledger.Site{{ID: id, Name: "north"}}, make([]byte, 16))
		if err == nil {
			err = site.Join(dir, g)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	model, update = block.Sum(block.DagCBOR, []byte("model")), block.Sum(block.DagCBOR, []byte("update"))
	uses, err := json.Marshal(map[block.CID][]index.Use{model: {{As: index.AsModel}}, update: {{As: index.AsUpdate}}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"artifacts": string(uses), "trace.jsonl": "{}\n", "lock": "1", "addresses": "[]", "tmp/x": "x", "state/run/kept": "yes", "steps/run": "{}",
		"store/format": "1\n", "store/lock": "", "store/tmp/x": "x", "store/partial/x.held": "x", "store/blocks/aa/b": "b",
		"store/artifacts/" + model.String() + ".safetensors": "weights", "store/artifacts/" + update.String() + ".safetensors": "another's",
	} {
		write(t, filepath.Join(dir, path), text)
	}
	return dir, model, update
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func has(dir, path string) bool { return exists(filepath.Join(dir, path)) }

// TestSave: what only the site has is copied; not what it has signed, not others' updates. Again, it copies what is new and drops
// what the site has no more.
func TestSave(t *testing.T) {
	dir, model, update := newSite(t, true)
	to := filepath.Join(t.TempDir(), "backup")
	told := false
	r, err := Save(dir, to, Options{Progress: func(_ string, done, total int64) { told = done == total }})
	if err != nil {
		t.Fatal(err)
	}
	if !told || r.Copied != r.Bytes || r.Site != "north" {
		t.Errorf("%+v, told of the end: %v", r, told)
	}
	in := "store/artifacts/" + model.String() + ".safetensors"
	for _, path := range []string{"key", "config.yaml", "genesis.cbor", "addresses", "artifacts", "state/run/kept", "steps/run", "store/format", "store/blocks/aa/b", in} {
		if !has(to, path) {
			t.Errorf("%s is missing", path)
		}
	}
	for _, path := range []string{"log", "trace.jsonl", "lock", "tmp", "store/lock", "store/tmp", "store/partial", "store/artifacts/" + update.String() + ".safetensors"} {
		if has(to, path) {
			t.Errorf("%s is in the backup", path)
		}
	}
	if err := os.Remove(filepath.Join(dir, in)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "state/run/kept"), "newer")
	again, err := Save(dir, to, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if kept, _ := os.ReadFile(filepath.Join(to, "state/run/kept")); string(kept) != "newer" || has(to, in) || again.Copied >= r.Copied {
		t.Errorf("the second backup: state %q, model there %v, %d bytes copied of %d", kept, has(to, in), again.Copied, r.Copied)
	}
}

// TestRestore: a restored site knows that its log is lost, and one that was in no mesh yet learns it when it joins.
func TestRestore(t *testing.T) {
	for name, joined := range map[string]bool{"joined": true, "not yet": false} {
		t.Run(name, func(t *testing.T) {
			dir, _, _ := newSite(t, joined)
			from, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
			if _, err := Save(dir, from, Options{NoModels: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(from, to, nil); err != nil {
				t.Fatal(err)
			}
			if !joined {
				id, _, err := site.Identify(to)
				if err != nil {
					t.Fatal(err)
				}
				g, err := ledger.NewGenesis("test", ledger.Byzantine, []ledger.Site{{ID: id, Name: "north"}}, make([]byte, 16))
				if err == nil {
					err = site.Join(to, g)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			f, err := os.Open(filepath.Join(to, site.LogFile))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			lost := false
			if _, _, err := wal.Read(f, func(r round.Record) error { lost = r.Born != nil && r.Born.Lost; return nil }); err != nil || !lost {
				t.Errorf("the log does not say that another is gone: %v", err)
			}
			if _, err := Restore(from, to, nil); err == nil || !strings.Contains(err.Error(), "is a site's directory") {
				t.Errorf("restored over a site: %v", err)
			}
		})
	}
}

// TestRefused: what is no backup, or not this site's, or was never finished.
func TestRefused(t *testing.T) {
	dir, _, _ := newSite(t, true)
	other, _, _ := newSite(t, true)
	full, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	write(t, filepath.Join(full, "mine"), "x")
	if _, err := Save(dir, full, Options{}); !errors.Is(err, ErrNone) {
		t.Errorf("into a folder with something else: %v", err)
	}
	if _, err := Save(dir, dir, Options{}); !errors.Is(err, ErrNone) {
		t.Errorf("into the site itself: %v", err)
	}
	if _, err := Save(dir, to, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(other, to, Options{}); err == nil || !strings.Contains(err.Error(), "another site") {
		t.Errorf("over another site's backup: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(other, site.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(to, site.KeyFile), string(key))
	if _, err := Restore(to, filepath.Join(t.TempDir(), "r"), nil); err == nil || !strings.Contains(err.Error(), "is the key of") {
		t.Errorf("another site's key: %v", err)
	}
	info, err := Read(to)
	if err != nil {
		t.Fatal(err)
	}
	info.Partial = true
	if err := info.write(to); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(to, filepath.Join(t.TempDir(), "r"), nil); !errors.Is(err, ErrNone) {
		t.Errorf("what was never finished: %v", err)
	}
}

// FuzzInfo: what a backup says it is of may be anything.
func FuzzInfo(f *testing.F) {
	f.Add([]byte(`{"site": "north", "id": "12D3KooWRsEUFkP1cVCzoKUp9EuxxkQfdv9exrbHk8pKuwNsv5rM", "time": "2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"id": ""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := decodeInfo(data)
		if err != nil && !errors.Is(err, ErrNone) || err == nil && info.ID == "" {
			t.Fatalf("%+v, %v", info, err)
		}
	})
}
