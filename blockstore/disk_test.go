package blockstore_test

import (
	"os"
	"testing"

	"github.com/weft-mesh/weft/blockstore/blockstoretest"
)

// safetensors returns the artifact as a trainer might write it.
func safetensors(t testing.TB, a blockstoretest.Artifact, order []int) []byte {
	t.Helper()
	data, err := os.ReadFile(a.File(t, order))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
