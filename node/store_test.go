package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/site"
)

// A bit that is flipped in the store's format ends the start with what to do, and the store as it was.
func TestDamagedFormat(t *testing.T) {
	h := &site.Home{Dir: t.TempDir(), Config: config.Default("a")}
	dir := h.Path(site.StoreDir)
	open := func() error {
		s, err := openStore(h, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		return s.Close()
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	format := filepath.Join(dir, "format")
	good, err := os.ReadFile(format)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := []byte(string(good))
		bad[i] ^= 4
		if err := os.WriteFile(format, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(); err == nil || !strings.Contains(hint.Of(err), "file format is damaged") || !strings.Contains(err.Error(), strings.TrimSpace(string(good))) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	if err := os.WriteFile(format, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("mended: %v", err)
	}
}
