package reduction

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
)

// Source is where a reduction has its inputs from: a store, other sites, a directory. What it does not have is a
// blockstore.ErrNotFound.
type Source interface {
	Open(p Part) (*Reader, error)
	State(name block.CID) (State, error)
}

// Part is something that a model is made from.
type Part struct {
	As       As
	Manifest block.CID // or the name of the state
	Site     peer.ID   // of an update
	Slot     string    // of the state
}

// As is what a part is in its round.
type As uint8

const (
	Update     As = iota
	UpdateBase    // a late update's own
	Base          // the round's
	StateBlock    // of the outer step
	Slot          // of that
)

// Reader reads an artifact's shards, verified.
type Reader struct {
	*blockstore.Artifact
	Bad func(i int, cause error) ([]byte, error) // what becomes of a shard that went bad or cannot be read; nil: the cause is the error
}

// ReadShard implements aggregate.ShardReader.
func (r *Reader) ReadShard(i int, buf []byte) ([]byte, error) {
	data, err := r.Artifact.ReadShard(i, buf)
	if err == nil {
		err = r.Manifest.Shards[i].Verify(data)
	}
	switch {
	case err == nil:
		return data, nil
	case r.Bad == nil:
		return nil, err
	}
	return r.Bad(i, err)
}
