package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// dropped holds that no sealed update is dropped without cause: none of an honest site as invalid, and none
// as unavailable that all honest sites that are up have held since before it was sealed.
type dropped struct {
	c      *checker
	newest map[block.CID]sealing // of each run
}

type sealing struct {
	*ledger.Seal
	at time.Duration
}

func (d *dropped) of(c *checker) { d.c, d.newest = c, map[block.CID]sealing{} }

// sealed looks at what a seal drops of the one before.
func (d *dropped) sealed(seal *ledger.Seal) {
	if seal.Ground != nil {
		d.without(seal.Run, seal.Ground)
	}
	d.newest[seal.Run] = sealing{seal, d.c.w.now}
}

// without looks at who is dropped of a run's newest seal.
func (d *dropped) without(run block.CID, g *ledger.Ground) {
	last := d.newest[run]
	for _, id := range g.Dropped {
		i := slices.IndexFunc(d.c.w.sites, func(s *site) bool { return s.id == id })
		s := d.c.w.sites[i]
		if g.Kind == ledger.Invalid && s.honest() {
			d.c.w.fail(s.i, PromiseCause, fmt.Sprintf("round %d: dropped as invalid", last.Round))
		}
		if g.Kind == ledger.Unavailable && d.hadByAll(last, id) {
			d.c.w.fail(s.i, PromiseCause, fmt.Sprintf("round %d: dropped as unavailable, and all have it", last.Round))
		}
	}
}

// hadByAll reports whether a site's update was held by all before it was sealed.
func (d *dropped) hadByAll(seal sealing, id peer.ID) bool {
	i := slices.IndexFunc(seal.Updates, func(u ledger.SealedUpdate) bool { return u.Update.From == id })
	return i >= 0 && d.c.heldByAll(seal.Updates[i].Update.Update().Manifest, seal.at)
}
