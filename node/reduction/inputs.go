package reduction

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weft-mesh/weft/aggregate"
	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/runs"
)

// Round is what a round's model is made from, as the ledger names it.
type Round struct {
	Strategy aggregate.Strategy
	Number   uint64
	Base     block.CID
	State    block.CID      // what the outer step has left in the round before; undefined: nothing
	Sealed   []ledger.Input // the updates, in seal order
}

// Unfit says why an artifact can be no update in a run, and no slot of its state, "" if it can: shards are made into a model one
// by one, so it is cut as the run's base is, whose manifest is read.
func Unfit(spec *ledger.RunSpec, m blockstore.Manifest, read func(manifest block.CID) (blockstore.Manifest, error)) (why string, err error) {
	base, err := read(spec.Base)
	if err == nil && m.ShardElements != base.ShardElements {
		why = fmt.Sprintf("shards of %d elements, the base has %d", m.ShardElements, base.ShardElements)
	}
	return why, err
}

// needsBase reports whether the base is read: where changes are combined or count by steps, and where late updates are carried over.
func (r *Round) needsBase() bool {
	return !r.Strategy.CarriesLate() || slices.ContainsFunc(r.Sealed, func(i ledger.Input) bool { return i.Base.Defined() || i.Steps > 0 })
}

// Inputs is what a round's model is made from, open.
type Inputs struct {
	Job  aggregate.Job
	Like *blockstore.Artifact // has the layout and the cut of the model

	sealed  []ledger.Input
	updates []*Reader
	opened  []*Reader
	missing []Part
}

// Open opens what a round's model is made from, to be closed. What is not in the source comes back in one [MissingError].
func Open(r Round, from Source) (in *Inputs, err error) {
	in = &Inputs{Job: aggregate.Job{Strategy: r.Strategy, Round: r.Number}, sealed: r.Sealed}
	if err = in.open(&r, from); err == nil && len(in.missing) > 0 {
		err = &MissingError{in.missing}
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	in.Job.Shape = aggregate.ShapeOf(in.Like.Cut())
	return in, nil
}

func (in *Inputs) open(r *Round, from Source) error {
	if len(r.Sealed) == 0 {
		return fmt.Errorf("%w: no updates", aggregate.ErrInputs)
	}
	for _, s := range r.Sealed {
		update, err := in.read(from, Part{As: Update, Manifest: s.Manifest, Site: s.Site})
		if err != nil {
			return err
		}
		in.updates = append(in.updates, update)
		input := aggregate.Input{Weight: s.Weight, Steps: s.Steps, Update: update}
		if s.Base.Defined() {
			if input.Base, err = in.read(from, Part{As: UpdateBase, Manifest: s.Base, Site: s.Site}); err != nil {
				return err
			}
		}
		in.Job.Inputs = append(in.Job.Inputs, input)
	}
	in.Like = in.updates[0].Artifact
	if r.needsBase() {
		base, err := in.read(from, Part{As: Base, Manifest: r.Base})
		if err != nil {
			return err
		}
		in.Job.Base = base
	}
	return in.openState(r.State, from)
}

// openState opens the slots of the state that a round begins with, if there is one.
func (in *Inputs) openState(name block.CID, from Source) error {
	if !name.Defined() {
		return nil
	}
	s, err := from.State(name)
	if errors.Is(err, blockstore.ErrNotFound) {
		in.missing = append(in.missing, Part{As: StateBlock, Manifest: name})
		return nil
	}
	if err != nil {
		return err
	}
	in.Job.State = map[string]aggregate.ShardReader{}
	for _, slot := range slices.Sorted(maps.Keys(s.Slots)) {
		if in.Job.State[slot], err = in.read(from, Part{As: Slot, Manifest: s.Slots[slot], Slot: slot}); err != nil {
			return err
		}
	}
	return nil
}

// read opens an artifact; of one that is missing nothing can be read.
func (in *Inputs) read(from Source, p Part) (*Reader, error) {
	r, err := from.Open(p)
	if errors.Is(err, blockstore.ErrNotFound) {
		in.missing = append(in.missing, p)
		return &Reader{}, nil
	}
	if err == nil {
		in.opened = append(in.opened, r)
	}
	return r, err
}

// Bad returns the sealed update that is to blame for an error of aggregate.Reduce, nil if none is.
func (in *Inputs) Bad(err error) *runs.BadInput {
	var bad *aggregate.NotFiniteError
	if !errors.As(err, &bad) {
		return nil
	}
	return &runs.BadInput{Site: in.sealed[bad.Input].Site, Shard: in.updates[bad.Input].Manifest.Shards[bad.Shard], Err: bad.Error()}
}

// Close ends reading.
func (in *Inputs) Close() {
	for _, r := range in.opened {
		_ = r.Close() // opened to read
	}
}

// MissingError lists what a source does not have. It is a blockstore.ErrNotFound.
type MissingError struct{ Parts []Part }

func (e *MissingError) Error() string {
	text := "missing: " + e.Parts[0].Manifest.String()
	if more := len(e.Parts) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// Unwrap returns blockstore.ErrNotFound.
func (e *MissingError) Unwrap() error { return blockstore.ErrNotFound }
