package node

import (
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/runs"
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
	asked    []runs.AskedRun                // that are asked for and not open
	opened   map[block.CID]bool             // runs that were asked for before they were opened
	counts   map[block.CID]uint64           // the newest round of each run of which an update of this site counted
	self     peer.ID
	members
}

// newView looks at the machine of a site between two steps.
func newView(m *round.Machine, self peer.ID) *view {
	l := m.Ledger()
	v := &view{
		height: l.Height(), protocol: l.Protocol(l.Height() + 1), takes: map[block.CID]map[peer.ID]bool{}, runs: map[block.CID]*ledger.RunSpec{},
		active: map[block.CID]bool{}, opened: map[block.CID]bool{}, rounds: map[block.CID]uint64{}, counts: map[block.CID]uint64{}, seals: map[block.CID]block.CID{},
		self: self, members: newMembers(l, self, m.Observers()),
	}
	for _, r := range l.Runs() {
		v.runs[r.ID], v.active[r.ID], v.rounds[r.ID], v.counts[r.ID] = r.Spec, r.Active(), r.Round, r.Counted[self]
		v.opened[r.ID] = r.Asked
		if !r.Active() && !r.Measurable() {
			v.over = append(v.over, r.ID)
		}
		if latest := r.Latest(); latest != nil && r.Active() {
			v.seals[r.ID] = latest.CID
		}
		takes := map[peer.ID]bool{}
		for _, site := range l.Roster().Sites() {
			if m.Participates(r.ID, site.ID) {
				takes[site.ID] = true
			}
		}
		v.takes[r.ID] = takes
	}
	v.asked = m.Asked()
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

// askedFor returns a run that is asked for and not open, nil if it is none.
func (v *view) askedFor(run block.CID) *runs.AskedRun {
	for i := range v.asked {
		if v.asked[i].Run == run {
			return &v.asked[i]
		}
	}
	return nil
}

// Live reports whether a run is asked for, or goes on.
func (v *view) Live(run block.CID) bool { return v.active[run] || v.askedFor(run) != nil }

// Asks reports whether a run is asked for before it is opened, or was.
func (v *view) Asks(run block.CID) bool { return v.opened[run] || v.askedFor(run) != nil }

// Sites returns how many sites the mesh has.
func (v *view) Sites() int { return v.roster.Len() }

// Ahead returns the runs of an opener that come before one: those in which this site takes part, and what is asked for earlier.
func (v *view) Ahead(run block.CID, opener peer.ID) (list []block.CID) {
	for id, spec := range v.runs {
		if spec.By == opener && v.active[id] && v.takes[id][v.self] && id != run {
			list = append(list, id)
		}
	}
	return runs.Ahead(v.asked, run, opener, v.self, func(id block.CID) bool { return v.runs[id] != nil }, list)
}

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
