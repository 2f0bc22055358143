package archive

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
)

// Recomputed says what came of computing a committed model anew from its sealed updates.
type Recomputed struct {
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // unless it is Same
}

// Outcome of computing a model anew.
type Outcome string

const (
	Same    Outcome = "same"     // the committed model, bit for bit
	Differs Outcome = "differs"  // another, so a quorum has certified what the updates do not give
	Damaged Outcome = "damaged"  // what is to be read went bad on this disk
	Unknown Outcome = "unknown"  // this program does not know how the model is computed
	NotKept Outcome = "not kept" // updates, or what a late one began from, are not here
)

// Recompute reports what the ledger proves, and computes the committed models anew from the sealed updates that are kept in the
// directory: all of them, or the one named. It reads each update once and holds a few shards in memory, like the reduction of
// a round. It calls progress, which may be nil, with the shards done of a model. What came of each model the report says; an
// error is ctx's, or of reading.
func (a *Archive) Recompute(ctx context.Context, only block.CID, progress func(m *ModelReport, done, all int)) (r *Report, err error) {
	r = a.Report()
	r.Models = r.Models[:0]
	for run, c := range commits(a.ledger) {
		m := reportModel(a.ledger, run, c)
		if !only.Defined() || m.Model == only {
			k := kept{dir: filepath.Join(a.dir, site.StoreDir), ledger: a.ledger}
			m.Recomputed, err = k.recompute(ctx, run, c, func(done, all int) {
				if progress != nil {
					progress(&m, done, all)
				}
			})
			k.close()
		}
		if err != nil {
			return nil, fmt.Errorf("recompute round %d of run %s: %w", m.Round, m.Run, err)
		}
		r.Models = append(r.Models, m)
	}
	return r, nil
}

// kept is what a round is recomputed from, open.
type kept struct {
	dir    string // of the store
	ledger *ledger.Ledger
	open   []*keptReader
	lacks  []string // what is not in the store
}

// recompute computes the model of a round.
func (k *kept) recompute(ctx context.Context, run *ledger.Run, c *ledger.CommitAt, progress func(done, all int)) (*Recomputed, error) {
	if why := reduction.Knows(reduction.KnownNames).Unknown(run); why != "" {
		return &Recomputed{Unknown, why}, nil
	}
	strategy, err := reduction.Strategy(run.Spec)
	if err != nil {
		return nil, err
	}
	switch keeps := len(strategy.Slots()) > 0; {
	case keeps && !c.State.Defined():
		return &Recomputed{Differs, "the outer step keeps a state, and the commit has none"}, nil
	case !keeps && c.State.Defined():
		return &Recomputed{Differs, "the commit has a state, and the outer step keeps none"}, nil
	}
	inputs, base, err := k.inputs(run, c, !strategy.CarriesLate())
	var state map[string]aggregate.ShardReader
	if err == nil {
		state, err = k.state(run.StateOf(c.Round))
	}
	if err != nil {
		return judge(err)
	}
	if len(k.lacks) > 0 {
		slices.Sort(k.lacks)
		return &Recomputed{NotKept, strings.Join(k.lacks, ", ")}, nil
	}
	first := k.open[0] // an update, whose layout and cut a model has too
	job := aggregate.Job{Strategy: strategy, Round: c.Round, Shape: aggregate.ShapeOf(first.Artifact), Base: base, State: state, Inputs: inputs, Progress: progress}
	anew := newComputed(first.Artifact, strategy.Slots())
	if _, err = aggregate.Reduce(ctx, job, anew.sink()); err != nil {
		return judge(err)
	}
	if got := anew.model.Block().CID; got != c.Model {
		return &Recomputed{Differs, k.compare(anew.model, c.Model)}, nil
	}
	if got := anew.state(); got != c.State {
		return &Recomputed{Differs, fmt.Sprintf("the model is the same, but the outer step's state is %s", got)}, nil
	}
	return &Recomputed{Outcome: Same}, nil
}

// computed is the model and the outer step's state computed anew, by their CIDs.
type computed struct {
	model blockstore.Manifest
	slots map[string]*blockstore.Manifest
}

// newComputed returns a model like an update, with nothing in it yet.
func newComputed(like *blockstore.Artifact, slots []string) *computed {
	c := &computed{model: like.Manifest, slots: map[string]*blockstore.Manifest{}}
	c.model.Shards = nil
	layout := reduction.StateLayout(like.Layout)
	for _, slot := range slots {
		m := c.model
		m.Layout, m.Bytes = layout.Block().CID, layout.Bytes()
		c.slots[slot] = &m
	}
	return c
}

func (c *computed) sink() aggregate.Sink {
	write := func(m *blockstore.Manifest, data []byte) error {
		m.Shards = append(m.Shards, block.Sum(block.Raw, data))
		return nil
	}
	return aggregate.Sink{
		Model: func(_ int, data []byte) error { return write(&c.model, data) },
		State: func(slot string, _ int, data []byte) error { return write(c.slots[slot], data) },
	}
}

// state returns the name of the state, undefined without slots.
func (c *computed) state() block.CID {
	if len(c.slots) == 0 {
		return block.CID{}
	}
	s := reduction.State{Slots: map[string]block.CID{}}
	for slot, m := range c.slots {
		s.Slots[slot] = m.Block().CID
	}
	return s.Block().CID
}

// judge tells what lies in the inputs from what keeps them from being read.
func judge(err error) (*Recomputed, error) {
	var bad *badInput
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, err
	case errors.As(err, &bad): // where in the computation it was read says nothing more
		return &Recomputed{Damaged, bad.Error()}, nil
	case errors.Is(err, aggregate.ErrNotFinite), errors.Is(err, aggregate.ErrOverflow), errors.Is(err, aggregate.ErrShape), errors.Is(err, aggregate.ErrInputs):
		return &Recomputed{Differs, err.Error()}, nil
	}
	return nil, err
}

// inputs opens the sealed updates, and the bases if any of them was late or changes are combined.
func (k *kept) inputs(run *ledger.Run, c *ledger.CommitAt, changes bool) (list []aggregate.Input, base aggregate.ShardReader, err error) {
	list, err = reduction.Inputs(run.Inputs(c.Sealed), func(i ledger.Input, base bool) (aggregate.ShardReader, error) {
		name := k.ledger.Name(i.Site)
		if base {
			return k.artifact(i.Base, "the model that "+name+"'s late update began from")
		}
		return k.artifact(i.Manifest, name+"'s update")
	})
	if err == nil && (changes || slices.ContainsFunc(list, func(a aggregate.Input) bool { return a.Base != nil })) {
		of, _ := run.BaseOf(c.Round)
		base, err = k.artifact(of, "the model that the round began from")
	}
	return list, base, err
}

// state opens the outer step's state that a round began from, nil if there is none.
func (k *kept) state(name block.CID) (map[string]aggregate.ShardReader, error) {
	if !name.Defined() {
		return nil, nil
	}
	const what = "the outer step's state that the round began from"
	data, err := blockstore.ReadBlock(k.dir, name)
	if errors.Is(err, blockstore.ErrNotFound) {
		k.lacks = append(k.lacks, what)
		return nil, nil
	}
	var s reduction.State
	if err == nil {
		s, err = reduction.DecodeState(data)
	}
	if err != nil {
		return nil, &badInput{what, err}
	}
	slots := map[string]aggregate.ShardReader{}
	for slot, manifest := range s.Slots {
		if slots[slot], err = k.artifact(manifest, fmt.Sprintf("%s, slot %s", what, slot)); err != nil {
			return nil, err
		}
	}
	return slots, nil
}

// artifact opens an artifact, or notes that it is lacking. One that is there in part has lost the rest: what the scrub of a node
// finds damaged it takes out.
func (k *kept) artifact(manifest block.CID, what string) (*keptReader, error) {
	a, err := blockstore.OpenArtifact(k.dir, manifest)
	if errors.Is(err, blockstore.ErrNotFound) {
		k.lacks = append(k.lacks, what)
		return &keptReader{}, nil
	}
	if err != nil {
		return nil, &badInput{what, err}
	}
	k.open = append(k.open, &keptReader{a, what})
	return k.open[len(k.open)-1], nil
}

// compare says how a model computed anew differs from the committed one.
func (k *kept) compare(computed blockstore.Manifest, committed block.CID) string {
	a, err := blockstore.OpenArtifact(k.dir, committed)
	if err != nil {
		return fmt.Sprintf("the updates give %s", computed.Block().CID)
	}
	defer a.Close()
	return blockstore.Difference(computed, a.Manifest, a.Layout)
}

func (k *kept) close() {
	for _, r := range k.open {
		_ = r.Close() // opened to read
	}
}

// keptReader reads an artifact's shards, verified.
type keptReader struct {
	*blockstore.Artifact
	what string
}

// ReadShard implements aggregate.ShardReader.
func (r *keptReader) ReadShard(i int, buf []byte) ([]byte, error) {
	data, err := r.Artifact.ReadShard(i, buf)
	if err == nil {
		err = r.Manifest.Shards[i].Verify(data)
	}
	if err != nil {
		return nil, &badInput{fmt.Sprintf("shard %d of %s", i, r.what), err}
	}
	return data, nil
}

// badInput is what went bad on the disk, or cannot be read from it.
type badInput struct {
	what string
	err  error
}

func (e *badInput) Error() string { return e.what + ": " + e.err.Error() }
func (e *badInput) Unwrap() error { return e.err }
