package round

import (
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/runs"
)

// Footprint is how much a machine keeps of what others have sent it. It is bounded by the limits of its rooms and the
// size of the roster, whatever anybody sends; the simulator holds that after every event.
type Footprint struct {
	Votes    consensus.Footprint
	Runs     runs.Footprint
	Members  membership.Footprint
	Early    int // messages for heights to come
	Evidence int
	Peers    int
	Standing int // own messages that are sent again
}

// Footprint counts what the machine keeps.
func (m *Machine) Footprint() Footprint {
	return Footprint{
		Votes: m.consensus.Footprint(), Runs: m.runs.Footprint(), Members: m.members.Footprint(),
		Early: len(m.early.list), Evidence: m.proofs.Len(), Peers: m.neighbours.Len(), Standing: m.outbox.Len(),
	}
}
