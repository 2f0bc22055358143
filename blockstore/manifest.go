package blockstore

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/tensor"
)

// Manifest says what an artifact consists of. It is a dag-cbor block, and its CID is the
// artifact's name.
type Manifest struct {
	Layout        block.CID   `cbor:"layout" json:"layout"`
	Codec         string      `cbor:"codec" json:"codec"`
	ShardElements uint64      `cbor:"shard_elements" json:"shard_elements"` // of every shard but the last
	Bytes         uint64      `cbor:"bytes" json:"bytes"`                   // of all shards
	Shards        []block.CID `cbor:"shards" json:"shards"`                 // in canonical order
}

// Block returns the manifest as a block.
func (m Manifest) Block() block.Block { return block.Of(m) }

// DecodeManifest reads a manifest's block. What can be judged without its layout is valid.
func DecodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := block.Decode(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	return m, m.validate()
}

func (m Manifest) validate() error {
	if err := tensor.CheckCodec(m.Codec); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	switch {
	case m.Layout.Codec() != block.DagCBOR:
		return fmt.Errorf("manifest: %w: layout %s is not a dag-cbor block", tensor.ErrInvalid, m.Layout)
	case m.ShardElements == 0 || m.ShardElements > tensor.MaxShardBytes:
		return fmt.Errorf("manifest: %w: shards of %d elements", tensor.ErrInvalid, m.ShardElements)
	case len(m.Shards) == 0 || len(m.Shards) > tensor.MaxShards:
		return fmt.Errorf("manifest: %w: %d shards, 1 to %d", tensor.ErrInvalid, len(m.Shards), tensor.MaxShards)
	}
	for i, c := range m.Shards {
		if c.Codec() != block.Raw {
			return fmt.Errorf("manifest: %w: shard %d, %s, is not a raw block", tensor.ErrInvalid, i, c)
		}
	}
	return nil
}

// Validate returns tensor.ErrInvalid unless the manifest is one of an artifact with the given
// layout, itself valid.
func (m Manifest) Validate(l tensor.Layout) error {
	_, err := m.cut(l)
	return err
}

// cut is Validate, and returns how the manifest cuts the layout.
func (m Manifest) cut(l tensor.Layout) (*tensor.Cut, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	if c := l.Block().CID; c != m.Layout {
		return nil, fmt.Errorf("manifest: %w: of layout %s, not %s", tensor.ErrInvalid, m.Layout, c)
	}
	c, err := l.CutAs(m.Codec, m.ShardElements)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if m.Bytes != c.Bytes() || len(m.Shards) != c.Len() {
		return nil, fmt.Errorf("manifest: %w: %d bytes in %d shards; its layout has %d in %d", tensor.ErrInvalid, m.Bytes, len(m.Shards), c.Bytes(), c.Len())
	}
	return c, nil
}

// newManifest returns the manifest of an artifact whose shards are known.
func newManifest(layout block.CID, c *tensor.Cut, shards []block.CID) Manifest {
	return Manifest{layout, c.Codec(), c.ShardElements(), c.Bytes(), shards}
}
