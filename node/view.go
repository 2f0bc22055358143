package node

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// view is what goroutines beside the loop may know of the machine. It is never changed, only
// replaced after a step.
type view struct {
	height uint64                         // newest decided
	takes  map[block.CID]map[peer.ID]bool // who takes part in each run
	runs   map[block.CID]*ledger.RunSpec  // known to the ledger
	active map[block.CID]bool             // runs with rounds to do
	seals  map[block.CID]block.CID        // the latest seal of each run's current round
	rounds map[block.CID]uint64           // each run's current round
	members
}

// newView looks at the machine of a site between two steps.
func newView(m *round.Machine, self peer.ID) *view {
	l := m.Ledger()
	v := &view{
		height: l.Height(), takes: map[block.CID]map[peer.ID]bool{}, runs: map[block.CID]*ledger.RunSpec{},
		active: map[block.CID]bool{}, rounds: map[block.CID]uint64{}, seals: map[block.CID]block.CID{},
		members: newMembers(l, self, m.Observers()),
	}
	for _, r := range l.Runs() {
		v.runs[r.ID], v.active[r.ID], v.rounds[r.ID] = r.Spec, r.Active(), r.Round
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

// allow says which block may go to whom: the ledger, layouts, bases and committed models to every
// site and to who is to become one; updates, and models that are not committed, to the participants of their run; what
// nobody knows the use of to none.
func (n *Node) allow(p peer.ID, c block.CID) bool {
	v := n.view.Load()
	if !v.roster.Has(p) && !v.observers[p] {
		return false
	}
	readable, known := n.index.readable(c, func(run block.CID) bool { return v.takes[run][p] })
	if !known {
		return c.Codec() == block.DagCBOR
	}
	return readable
}

// newlyAllowed tells the exchange about runs whose participants have changed, so that who was
// refused before asks again.
func (n *Node) newlyAllowed(old, now *view) {
	for run, takes := range now.takes {
		before := old.takes[run]
		for p := range takes {
			if !before[p] {
				n.exchange.Added(n.index.restricted(run)...)
				break
			}
		}
	}
}
