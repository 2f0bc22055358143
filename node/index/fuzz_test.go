package index

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

// Whatever stands in the file: the index opens, knows only what the store has, and says of nothing else that it may be read.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"bafyr4iblmtv2wl7ko5ayvhotdnwbtwmam6hjcvw5tggpv64eubyqivxbuu":[{"run":"bafyr4iblmtv2wl7ko5ayvhotdnwbtwmam6hjcvw5tggpv64eubyqivxbuu","as":"model"}]}`))
	f.Add([]byte(`{"bafyr4iblmtv2wl7ko5ayvhotdnwbtwmam6hjcvw5tggpv64eubyqivxbuu":null}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "artifacts")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := Open(path, blockstore.NewMemory(blockstore.Options{}), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if len(x.uses) > 0 {
			t.Fatalf("uses of what is not there: %v", x.uses)
		}
		c := cidOf(block.Raw, "x")
		if readable, known := x.Readable(c, func(block.CID) bool { return true }); readable || known {
			t.Fatal("a block that is not there")
		}
		x.Add(t.Context(), cidOf(block.DagCBOR, "m"), []block.CID{c}, Use{Run: cidOf(block.DagCBOR, "r"), As: AsModel})
	})
}
