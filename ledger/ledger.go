package ledger

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Ledger is the certified log of a mesh and what follows from it. It is the same at every site
// that has the same height: [Ledger.Check] and [Ledger.apply] see nothing else.
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
	ID      block.CID
	Spec    *RunSpec
	Height  uint64 // of the entry that opened it
	Closed  uint64 // height of the entry that ended it early; 0: none has
	Round   uint64 // current, from 1; Spec.Rounds+1 when all are done
	Opened  uint64 // height of the entry that opened the current round
	Base    block.CID
	Seals   []SealAt           // of the current opening
	Commits []CommitAt         // one a round
	Counted map[peer.ID]uint64 // newest round of which a committed seal lists an update of a site
	spoilt  map[block.CID]bool // manifests that seals and voids have dropped as invalid
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

// Active reports whether the run still has rounds to do.
func (r *Run) Active() bool { return r.Closed == 0 && r.Round <= r.Spec.Rounds }

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

// NewLedger returns the empty ledger of a mesh.
func NewLedger(g *Genesis, verify Verifier) *Ledger {
	first := g.Roster()
	l := &Ledger{
		mesh: g.Block().CID, roster: first, verify: verify, runs: map[block.CID]*Run{},
		rosters: []*Roster{first}, members: map[peer.ID]membership{}, heirs: map[peer.ID]peer.ID{},
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
	if err := l.Check(e); err != nil {
		return err
	}
	if err := c.Verify(l.mesh, l.roster, e, l.verify); err != nil {
		return err
	}
	l.Apply(e, c)
	return nil
}

// apply adds a checked entry.
func (l *Ledger) Apply(e *Entry, c *Certificate) {
	l.decided = append(l.decided, Decided{e, c})
	switch {
	case e.Roster != nil:
		l.applyChanged(e)
	case e.Open != nil:
		spec, _ := Body[RunSpec](&e.Open.Spec, KindOpen)
		r := &Run{ID: e.Run(), Spec: spec, Height: e.Height, Round: 1, Opened: e.Height, Base: spec.Base, Counted: map[peer.ID]uint64{}, spoilt: map[block.CID]bool{}}
		l.runs[r.ID] = r
		l.order = append(l.order, r)
	case e.Close != nil:
		l.runs[e.Close.Run].Closed = e.Height
	case e.Seal != nil:
		r := l.runs[e.Seal.Run]
		r.drop(e.Seal.Ground)
		r.Seals = append(r.Seals, SealAt{e.Height, e.CID(), e.Seal})
	case e.Void != nil:
		r := l.runs[e.Void.Run]
		r.drop(&e.Void.Ground)
		r.Opened, r.Seals = e.Height, nil
	case e.Commit != nil:
		r := l.runs[e.Commit.Run]
		seal := r.Latest().Seal
		for _, u := range seal.Updates {
			r.Counted[u.Update.From] = u.Update.Update().Round
		}
		r.Commits = append(r.Commits, CommitAt{e.Height, e.Commit, seal, r.Opened})
		r.Round, r.Opened, r.Base, r.Seals = r.Round+1, e.Height, e.Commit.Model, nil
	}
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
// before it, equal at every site. What a site holds plays no part (see readiness).
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
	case e.Roster != nil:
		return l.checkChanged(e)
	case e.Open != nil:
		return l.checkOpen(e)
	}
	r := l.runs[e.Run()]
	if r == nil {
		return invalid(e, "no run %s", e.Run())
	}
	if !r.Active() {
		return invalid(e, "run %q is over", r.Spec.Name)
	}
	switch {
	case e.Close != nil:
		return l.checkClose(e, r)
	case e.Seal != nil:
		return l.checkSeal(e, r)
	case e.Void != nil:
		return l.checkVoid(e, r)
	case e.Commit != nil:
		return l.checkCommit(e, r)
	}
	return invalid(e, "no body")
}

func (l *Ledger) checkOpen(e *Entry) error {
	spec, err := Body[RunSpec](&e.Open.Spec, KindOpen)
	if err != nil {
		return invalid(e, "%v", err)
	}
	if err := spec.Validate(l.roster); err != nil {
		return invalid(e, "%v", err)
	}
	if spec.By != e.Open.Spec.From {
		return invalid(e, "signed by %s, opened by %s", l.roster.Name(e.Open.Spec.From), l.roster.Name(spec.By))
	}
	if err := e.Open.Spec.Verify(l.mesh, l.roster, l.verify); err != nil {
		return invalid(e, "%v", err)
	}
	if l.runs[e.Run()] != nil {
		return invalid(e, "run %q is known already", spec.Name)
	}
	if l.active() >= MaxRuns {
		return invalid(e, "%d runs are open, at most %d", l.active(), MaxRuns)
	}
	return nil
}

func (l *Ledger) active() (n int) {
	for _, r := range l.order {
		if r.Active() {
			n++
		}
	}
	return n
}

func (l *Ledger) checkClose(e *Entry, r *Run) error {
	byOpener := false
	for i := range e.Close.Stops {
		s := &e.Close.Stops[i]
		stop, err := Body[Stop](s, KindStop)
		if err != nil {
			return invalid(e, "%v", err)
		}
		if stop.Run != r.ID || i > 0 && CompareIDs(e.Close.Stops[i-1].From, s.From) >= 0 {
			return invalid(e, "stop of %s is for another run or out of order", l.roster.Name(s.From))
		}
		if err := s.Verify(l.mesh, l.roster, l.verify); err != nil {
			return invalid(e, "%v", err)
		}
		byOpener = byOpener || s.From == l.Heir(r.Spec.By)
	}
	if !byOpener && len(e.Close.Stops) <= l.roster.F() {
		return invalid(e, "%d sites ask for it, want the opener or %d", len(e.Close.Stops), l.roster.F()+1)
	}
	return nil
}

func (l *Ledger) checkCommit(e *Entry, r *Run) error {
	c := e.Commit
	switch latest := r.Latest(); {
	case latest == nil:
		return invalid(e, "round %d has no seal", r.Round)
	case c.Round != r.Round || c.Seal != latest.CID:
		return invalid(e, "does not name round %d's latest seal", r.Round)
	case c.Model.Codec() != block.DagCBOR:
		return invalid(e, "model is not the CID of a manifest")
	case c.State.Defined():
		return invalid(e, "rule %s has no state", r.Spec.Rule)
	}
	return nil
}
