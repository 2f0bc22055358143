package reduction

import (
	"errors"
	"maps"
	"slices"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/tensor"
)

// Store takes what a reduction makes.
type Store interface {
	NewArtifact(cut *tensor.Cut) (*blockstore.Builder, error)
	Put(b block.Block) error
}

// Output is a model being written, and the outer step's state with it. End it with Commit or Abort.
type Output struct {
	store Store
	model *part
	slots map[string]*part
}

// part is an artifact being written.
type part struct {
	builder *blockstore.Builder
	shards  []block.CID
}

func newPart(store Store, cut *tensor.Cut) (*part, error) {
	b, err := store.NewArtifact(cut)
	return &part{builder: b}, err
}

func (p *part) write(i int, data []byte) error {
	c, err := p.builder.WriteShard(i, data)
	p.shards = append(p.shards, c)
	return err
}

// NewOutput returns the output of a reduction whose base this is, and whose outer step has these slots.
func NewOutput(store Store, base *blockstore.Artifact, slots []string) (o *Output, err error) {
	o = &Output{store: store, slots: map[string]*part{}}
	if o.model, err = newPart(store, base.Cut()); err != nil {
		return nil, err
	}
	for _, slot := range slots {
		cut, err := StateLayout(base.Layout).Cut(base.Manifest.ShardElements)
		if err != nil {
			return nil, errors.Join(err, o.Abort())
		}
		p, err := newPart(store, cut)
		if err != nil {
			return nil, errors.Join(err, o.Abort())
		}
		o.slots[slot] = p
	}
	return o, nil
}

// Sink writes to the output.
func (o *Output) Sink() aggregate.Sink {
	return aggregate.Sink{
		Model: o.model.write,
		State: func(slot string, i int, data []byte) error { return o.slots[slot].write(i, data) },
	}
}

// Made is what a reduction has made, durable.
type Made struct {
	Model Artifact
	State block.CID           // undefined if the outer step has none
	Slots map[string]Artifact // of the state
}

// Artifact is an artifact that was made.
type Artifact struct {
	Manifest block.CID
	Shards   []block.CID
}

// Commit makes durable what was written, and ends the output unless it returns an error.
func (o *Output) Commit() (m Made, err error) {
	commit := func(p *part) (Artifact, error) {
		manifest, err := p.builder.Commit()
		return Artifact{manifest, p.shards}, err
	}
	m.Slots = map[string]Artifact{}
	state := State{map[string]block.CID{}}
	for _, slot := range slices.Sorted(maps.Keys(o.slots)) {
		if m.Slots[slot], err = commit(o.slots[slot]); err != nil {
			return m, err
		}
		state.Slots[slot] = m.Slots[slot].Manifest
	}
	if len(state.Slots) > 0 {
		b := state.Block()
		if err := o.store.Put(b); err != nil {
			return m, err
		}
		m.State = b.CID
	}
	m.Model, err = commit(o.model)
	return m, err
}

// Abort removes what was not committed.
func (o *Output) Abort() error {
	err := o.model.builder.Abort()
	for _, p := range o.slots {
		err = errors.Join(err, p.builder.Abort())
	}
	return err
}
