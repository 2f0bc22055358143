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
		}
		if err != nil {
			return nil, fmt.Errorf("recompute round %d of run %s: %w", m.Round, m.Run, err)
		}
		r.Models = append(r.Models, m)
	}
	return r, nil
}

// kept is what a round is recomputed from.
type kept struct {
	dir    string // of the store
	ledger *ledger.Ledger
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
	base, _ := run.BaseOf(c.Round)
	in, err := reduction.Open(reduction.Round{Strategy: strategy, Number: c.Round, Base: base, State: run.StateOf(c.Round), Sealed: run.Inputs(c.Sealed)}, k)
	if missing := new(reduction.MissingError); errors.As(err, &missing) {
		return &Recomputed{NotKept, k.whats(missing.Parts)}, nil
	}
	if err != nil {
		return judge(err)
	}
	defer in.Close()
	anew := newComputed(in.Like, strategy.Slots())
	in.Job.Progress = progress
	if _, err = aggregate.Reduce(ctx, in.Job, anew.sink()); err != nil {
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

// Open implements reduction.Source. An artifact that is there in part has lost the rest: what the scrub of a node finds damaged
// it takes out.
func (k *kept) Open(p reduction.Part) (*reduction.Reader, error) {
	a, err := blockstore.OpenArtifact(k.dir, p.Manifest)
	if errors.Is(err, blockstore.ErrNotFound) {
		return nil, err
	}
	if err != nil {
		return nil, &badInput{k.what(p), err}
	}
	bad := func(i int, cause error) ([]byte, error) {
		return nil, &badInput{fmt.Sprintf("shard %d of %s", i, k.what(p)), cause}
	}
	return &reduction.Reader{Artifact: a, Bad: bad}, nil
}

// State implements reduction.Source.
func (k *kept) State(name block.CID) (s reduction.State, err error) {
	data, err := blockstore.ReadBlock(k.dir, name)
	if errors.Is(err, blockstore.ErrNotFound) {
		return s, err
	}
	if err == nil {
		s, err = reduction.DecodeState(data)
	}
	if err != nil {
		return s, &badInput{k.what(reduction.Part{As: reduction.StateBlock}), err}
	}
	return s, nil
}

// what names a part for people.
func (k *kept) what(p reduction.Part) string {
	const state = "the outer step's state that the round began from"
	switch p.As {
	case reduction.Update:
		return k.ledger.Name(p.Site) + "'s update"
	case reduction.UpdateBase:
		return "the model that " + k.ledger.Name(p.Site) + "'s late update began from"
	case reduction.Base:
		return "the model that the round began from"
	case reduction.Slot:
		return fmt.Sprintf("%s, slot %s", state, p.Slot)
	}
	return state
}

// whats lists parts by name.
func (k *kept) whats(parts []reduction.Part) string {
	var names []string
	for _, p := range parts {
		names = append(names, k.what(p))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
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

// badInput is what went bad on the disk, or cannot be read from it.
type badInput struct {
	what string
	err  error
}

func (e *badInput) Error() string { return e.what + ": " + e.err.Error() }
func (e *badInput) Unwrap() error { return e.err }
