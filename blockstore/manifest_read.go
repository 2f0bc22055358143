package blockstore

import "github.com/weft-mesh/weft/block"

// ReadManifest returns a manifest that the store holds.
func ReadManifest(store Blocks, c block.CID) (Manifest, error) {
	data, err := store.Get(c)
	if err != nil {
		return Manifest{}, err
	}
	return DecodeManifest(data)
}
