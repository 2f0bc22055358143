package node

import (
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
)

// view is what goroutines beside the loop may know of the machine. It is never changed, only
// replaced after a step.
type view struct {
	height   uint64                         // newest decided
	protocol ledger.Protocol                // in force at the next height
	takes    map[block.CID]map[peer.ID]bool // who takes part in each run
	runs     map[block.CID]*ledger.RunSpec  // known to the ledger
	active   map[block.CID]bool             // runs with rounds to do
	over     []block.CID                    // those that have none, and whose last model is not to be measured any more
	seals    map[block.CID]block.CID        // the latest seal of each run's current round
	rounds   map[block.CID]uint64           // each run's current round
	counts   map[block.CID]uint64           // the newest round of each run of which an update of this site counted
	members
}

// newView looks at the machine of a site between two steps.
func newView(m *round.Machine, self peer.ID) *view {
	l := m.Ledger()
	v := &view{
		height: l.Height(), protocol: l.Protocol(l.Height() + 1), takes: map[block.CID]map[peer.ID]bool{}, runs: map[block.CID]*ledger.RunSpec{},
		active: map[block.CID]bool{}, rounds: map[block.CID]uint64{}, counts: map[block.CID]uint64{}, seals: map[block.CID]block.CID{},
		members: newMembers(l, self, m.Observers()),
	}
	for _, r := range l.Runs() {
		v.runs[r.ID], v.active[r.ID], v.rounds[r.ID], v.counts[r.ID] = r.Spec, r.Active(), r.Round, r.Counted[self]
		if !r.Active() && !r.Measurable() {
			v.over = append(v.over, r.ID)
		}
		if latest := r.Latest(); latest != nil && r.Active() {
			v.seals[r.ID] = latest.CID
		}
		takes := map[peer.ID]bool{}
		for _, id := range m.Participants(r.ID) {
			takes[id] = true
		}
		v.takes[r.ID] = takes
	}
	return v
}

// Round is a run's current one.
func (v *view) Round(run block.CID) uint64 { return v.rounds[run] }

// Counted is the newest round of a run of which an update of this site counted.
func (v *view) Counted(run block.CID) uint64 { return v.counts[run] }

// Seal is the latest of a run's current round.
func (v *view) Seal(run block.CID) block.CID { return v.seals[run] }

// Spec is nil for a run that the ledger does not know.
func (v *view) Spec(run block.CID) *ledger.RunSpec { return v.runs[run] }

// Over returns the runs in which the trainer has nothing to do any more.
func (v *view) Over() []block.CID { return v.over }

// SiteName is the name of the site whose key id is or was.
func (v *view) SiteName(id peer.ID) string { return v.name(id) }

// ownName returns the name that the mesh knows this site by, or else that of its configuration.
func (v *view) ownName(h *site.Home) string {
	if name, ok := v.names[h.ID]; ok {
		return name
	}
	return h.Config.Name
}

// views hands the newest view to who asks.
type views struct{ newest atomic.Pointer[view] }

func newViews(v *view) *views {
	vs := &views{}
	vs.newest.Store(v)
	return vs
}

func (vs *views) now() *view { return vs.newest.Load() }

func (vs *views) show(v *view) { vs.newest.Store(v) }
