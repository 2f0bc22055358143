package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Ledger is the certified log of a mesh and what follows from it. It is the same at every site
// that has the same height: [Ledger.Check] and [Ledger.Apply] see nothing else.
type Ledger struct {
	mesh    block.CID
	roster  *Roster // in force at the next height
	verify  Verifier
	decided []Decided
	runs    map[block.CID]*Run
	order   []*Run // by opening

	rosters []*Roster // all there have been
	members map[peer.ID]membership
	heirs   map[peer.ID]peer.ID // replaced key -> the one in its place

	protocols []Protocol // all there have been
	newest    uint64     // protocol number that this program knows
}

// Decided is an entry and the certificate that decided it.
type Decided struct {
	Entry       *Entry
	Certificate *Certificate
}

// Certified returns the pair as it is sent and stored.
func (d Decided) Certified() Certified {
	return Certified{d.Entry.Block().Data, *d.Certificate}
}

// Run is a run as the ledger has it.
type Run struct {
	ID       block.CID
	Spec     *RunSpec
	Unknown  []string // fields of the description that this program does not know
	Height   uint64   // of the entry that opened it
	Closed   uint64   // height of the entry that ended it early; 0: none has
	Plateau  uint64   // height of the commit with which no better model was expected; 0: none
	Terms    Terms    // of evaluation and the best model, as far as they are in force
	Bounded  bool     // the protocol that it was opened under has bounds
	Bounds   Bounded  // as far as they are in force
	Paced    Paced    // as far as it is in force
	Round    uint64   // current, from 1; Spec.Rounds+1 when all are done
	Opened   uint64   // height of the entry that opened the current round
	Base     block.CID
	State    block.CID          // of the outer step, that Base was committed with, or the run begins with; undefined: none
	Seals    []SealAt           // of the current opening
	Commits  []CommitAt         // one a round
	Counted  map[peer.ID]uint64 // newest round of which a committed seal lists an update of a site
	Closing  *ClosingAt         // what the sites measured of the last model; nil: nothing yet
	Declared map[peer.ID]uint64 // samples that the sites stated whose consents opened the run, 0: not known; nil before AskProtocol
	Asked    bool               // it was opened under AskProtocol or later
	selects  bool               // the protocol that it was opened under has closing entries and terms
	measured bool               // a committed update has figures
	best     *Chosen            // so far; nil: none
	spoilt   map[block.CID]bool // manifests that seals and voids have dropped as invalid
}

// newRun returns a run that an entry has opened under a protocol.
func newRun(e *Entry, spec *RunSpec, unknown []string, protocol uint64) *Run {
	r := &Run{
		ID: e.Run(), Spec: spec, Unknown: unknown, Height: e.Height, Round: 1, Opened: e.Height, Base: spec.Base,
		Counted: map[peer.ID]uint64{}, spoilt: map[block.CID]bool{}, selects: protocol >= SelectionProtocol, Asked: protocol >= AskProtocol, Bounded: protocol >= BoundsProtocol,
	}
	r.State = spec.Strategy.State()
	if r.selects {
		r.Terms, _ = spec.Selection.Read() // what cannot be read is in force nowhere
	}
	if r.Terms.Cross != "" && protocol < CrossProtocol {
		r.Terms = Terms{} // programs of that protocol cannot read them
	}
	if r.Bounded {
		r.Bounds, _ = spec.Bounds.Read() // the description was valid
	}
	if protocol >= PaceProtocol {
		r.Paced, _ = spec.Pace.Read() // the description was valid
	}
	return r
}

// declare notes how many samples a site has stated with its consent.
func (r *Run) declare(site peer.ID, samples uint64) {
	if r.Declared == nil {
		r.Declared = map[peer.ID]uint64{}
	}
	r.Declared[site] = samples
}

// SealAt is a decided seal.
type SealAt struct {
	Height uint64
	CID    block.CID
	*Seal
}

// CommitAt is a decided commit and the seal that it names.
type CommitAt struct {
	Height uint64
	*Commit
	Sealed *Seal
	Opened uint64 // height of the entry that opened the round
}

// ClosingAt is a decided closing entry.
type ClosingAt struct {
	Height uint64
	*Closing
}

// Active reports whether the run still has rounds to do.
func (r *Run) Active() bool { return r.Closed == 0 && r.Plateau == 0 && r.Round <= r.Spec.Rounds }

// Measurable reports whether the sites may still measure the last model of the run, which is over. In a run whose models none of
// them measured they do not.
func (r *Run) Measurable() bool {
	return r.measured && !r.Active() && r.Closing == nil
}

// Latest returns the latest seal of the current round, or nil.
func (r *Run) Latest() *SealAt {
	if len(r.Seals) == 0 {
		return nil
	}
	return &r.Seals[len(r.Seals)-1]
}

// BaseOf returns the model that a round started from, or false for a round that has not begun.
func (r *Run) BaseOf(round uint64) (block.CID, bool) {
	switch {
	case round == 1:
		return r.Spec.Base, true
	case round >= 2 && round-2 < uint64(len(r.Commits)):
		return r.Commits[round-2].Model, true
	}
	return block.CID{}, false
}

// StateOf returns the outer step's state that a round started from, undefined if there was none.
func (r *Run) StateOf(round uint64) block.CID {
	switch {
	case round == 1:
		return r.Spec.Strategy.State()
	case round >= 2 && round-2 < uint64(len(r.Commits)):
		return r.Commits[round-2].State
	}
	return block.CID{}
}

// NewLedger returns the empty ledger of a mesh.
func NewLedger(g *Genesis, verify Verifier) *Ledger {
	first := g.Roster()
	l := &Ledger{
		mesh: g.Block().CID, roster: first, verify: verify, runs: map[block.CID]*Run{},
		rosters: []*Roster{first}, members: map[peer.ID]membership{}, heirs: map[peer.ID]peer.ID{},
		protocols: []Protocol{{Number: max(1, g.Protocol), Weft: g.Weft, From: 1}}, newest: Newest,
	}
	for _, s := range g.Sites {
		l.members[s.ID] = membership{name: s.Name}
	}
	return l
}

// Mesh returns the mesh's name, the CID of its genesis.
func (l *Ledger) Mesh() block.CID { return l.mesh }

// Roster returns the sites: the roster in force at the next height.
func (l *Ledger) Roster() *Roster { return l.roster }

// Height returns the newest decided height; 0 is the genesis.
func (l *Ledger) Height() uint64 { return uint64(len(l.decided)) }

// Head returns the CID of the newest decided entry, or of the genesis.
func (l *Ledger) Head() block.CID {
	if len(l.decided) == 0 {
		return l.mesh
	}
	return l.decided[len(l.decided)-1].Entry.CID()
}

// At returns the decision of a height from 1 to Height.
func (l *Ledger) At(height uint64) Decided { return l.decided[height-1] }

// Run returns the run with that ID, or nil.
func (l *Ledger) Run(id block.CID) *Run { return l.runs[id] }

// Runs returns all runs in the order of their opening.
func (l *Ledger) Runs() []*Run { return l.order }

// Append adds an entry with its certificate, after checking both.
func (l *Ledger) Append(e *Entry, c *Certificate) error {
	invalid := l.Check(e)
	if invalid != nil && !errors.Is(invalid, ErrNewer) {
		return invalid
	}
	if err := c.Verify(l.mesh, l.roster, e, l.verify); err != nil {
		return err
	}
	if invalid != nil {
		return invalid // the mesh has decided what this program cannot judge
	}
	l.Apply(e, c)
	return nil
}

// Apply adds a checked entry.
func (l *Ledger) Apply(e *Entry, c *Certificate) {
	l.decided = append(l.decided, Decided{e, c})
	e.Body.apply(l, e)
}

// drop remembers what a ground drops as invalid: it must not come back as a late update.
func (r *Run) drop(g *Ground) {
	if g == nil || g.Kind != Invalid {
		return
	}
	for i := range r.Latest().Updates {
		if u := &r.Latest().Updates[i].Update; slices.Contains(g.Dropped, u.From) {
			r.spoilt[u.Update().Manifest] = true
		}
	}
}

// invalid makes an error that names the entry and the rule it breaks.
func invalid(e *Entry, format string, args ...any) error {
	return fmt.Errorf("%s at height %d: %w: %s", e.Kind(), e.Height, ErrInvalid, fmt.Sprintf(format, args...))
}

// Check says whether the entry may follow the head: a pure function of the entry and the ledger
// before it, equal at every site. What a site holds, and which rules and names its program knows, plays no part
// (see readiness). An entry that cannot be judged at all, because a later version made it, is ErrNewer.
func (l *Ledger) Check(e *Entry) error {
	switch {
	case e.Mesh != l.mesh:
		return invalid(e, "of another mesh (%s)", e.Mesh)
	case e.Height != l.Height()+1:
		return invalid(e, "the next height is %d", l.Height()+1)
	case e.Parent != l.Head():
		return invalid(e, "parent %s is not the head %s", e.Parent, l.Head())
	case len(e.Block().Data) > MaxEntry:
		return invalid(e, "%d bytes, at most %d", len(e.Block().Data), MaxEntry)
	case e.Body == nil:
		return invalid(e, "no body")
	}
	if err := l.Known(); err != nil {
		return err
	}
	return e.Body.check(l, e)
}

// current returns the run that an entry is about, which must have rounds to do.
func (l *Ledger) current(e *Entry) (*Run, error) {
	r := l.runs[e.Run()]
	if r == nil {
		return nil, invalid(e, "no run %s", e.Run())
	}
	if !r.Active() {
		return nil, invalid(e, "run %q is over", r.Spec.Name)
	}
	return r, nil
}
