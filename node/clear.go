package node

import (
	"math"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/round"
)

// clearStore removes at the start what nothing needs any more, before anything is written: the disk may be full of it. The bases of
// runs that are not open are this site's own, or were fetched for runs that nobody may ask for any more.
func (n *Node) clearStore(m *round.Machine) {
	c := n.home.Config
	k := index.NewKeeper(m.Ledger(), int(min(c.KeepModels, math.MaxInt32)), c.KeepUpdates)
	own := map[block.CID]bool{}
	for _, a := range m.Asked() {
		own[a.Run] = a.Spec.By == n.home.ID
	}
	unused, _ := n.index.Remove(func(manifest block.CID, u index.Use) bool {
		orphan := m.Ledger().Run(u.Run) == nil && !own[u.Run]
		return !u.Of.Defined() && (orphan || !k.Keeps(manifest, u)) // slots of states go with their blocks, once the node runs
	})
	for _, manifest := range unused {
		if err := n.store.DeleteArtifact(manifest); err != nil {
			n.log.Warn("an artifact that nothing needs is not removed; it is at the next start", "artifact", manifest, "error", err)
		}
	}
}
