package ledger_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/runs"
)

// TestKinds: each kind of statement is handled by one of the machine's rooms, and stands in a message of
// testdata/vectors. A new kind is complete when this passes.
func TestKinds(t *testing.T) {
	said := map[ledger.Kind]bool{}
	for _, data := range vectors(t, "Message") {
		m, err := round.DecodeMessage(data)
		if err != nil {
			t.Fatal(err)
		}
		if m.Statement != nil {
			said[m.Statement.Kind] = true
		}
	}
	for _, kind := range ledger.Kinds() {
		var rooms []string
		for room, handles := range map[string]func(ledger.Kind) bool{"consensus": consensus.Handles, "runs": runs.Handles, "membership": membership.Handles} {
			if handles(kind) {
				rooms = append(rooms, room)
			}
		}
		if len(rooms) != 1 {
			t.Errorf("%q is handled by %v: one of consensus, runs and membership must", kind, rooms)
		}
		if !said[kind] {
			t.Errorf("no message of testdata/vectors has a statement of kind %q: add one in round/vectors_test.go", kind)
		}
	}
}

// TestEntryKinds: each kind of entry stands in testdata/vectors. A new kind is complete when this passes.
func TestEntryKinds(t *testing.T) {
	shown := map[string]bool{}
	for _, data := range vectors(t, "Entry") {
		e, err := ledger.DecodeEntry(data)
		if err != nil {
			t.Fatal(err)
		}
		shown[e.Kind()] = true
	}
	for _, kind := range ledger.EntryKinds() {
		if !shown[kind] {
			t.Errorf("testdata/vectors has no %q entry: add one in round/vectors_test.go", kind)
		}
	}
}

// vectors returns the bytes of the test vectors of a type.
func vectors(t *testing.T, of string) (list [][]byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", "protocol.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Type, Hex string }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Type != of {
			continue
		}
		data, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, data)
	}
	if len(list) == 0 {
		t.Fatalf("no vectors of type %s", of)
	}
	return list
}
