package node

import (
	"testing"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

func testCID(codec block.Codec, name string) block.CID { return block.Sum(codec, []byte(name)) }

// testArtifact puts a small artifact of one tensor into a store.
func testArtifact(t *testing.T, store blockstore.Store, fill byte) block.CID {
	t.Helper()
	cut, err := (tensor.Layout{Tensors: []tensor.Tensor{{Name: "w", DType: tensor.F32, Shape: []uint64{4}}}}).Cut(0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.NewArtifact(cut)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 16)
	data[0] = fill
	if _, err := b.WriteShard(0, data); err != nil {
		t.Fatal(err)
	}
	c, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
