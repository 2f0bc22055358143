package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/trace"
)

// leftOut holds that nobody's updates are kept out of the seals: one that all honest sites that are up
// held before any of them was ready for a seal of the round, and that the seal omits, is in the next.
type leftOut struct {
	c     *checker
	ready map[block.CID]time.Duration // run -> when an honest site was ready for a seal of its round first
	once  map[leaving]uint64          // round whose seal left it out
}

type leaving struct {
	run  block.CID
	site peer.ID
}

func (t *leftOut) of(c *checker) {
	t.c, t.ready, t.once = c, map[block.CID]time.Duration{}, map[leaving]uint64{}
}

func (t *leftOut) sees(tr trace.Event) {
	ready, ok := tr.(trace.Ready)
	if !ok || ready.Decision.Kind != "seal" {
		return
	}
	if _, known := t.ready[ready.Run]; !known {
		t.ready[ready.Run] = t.c.w.now
	}
}

// sealed looks whom a decided seal leaves out.
func (t *leftOut) sealed(seal *ledger.Seal) {
	in := seal.Contributors()
	ready := t.ready[seal.Run]
	delete(t.ready, seal.Run)
	if seal.Number > 0 {
		return
	}
	for _, s := range t.c.w.sites {
		key := leaving{seal.Run, s.id}
		if slices.Contains(in, s.id) || !t.wronged(s, seal, ready) {
			delete(t.once, key)
			continue
		}
		if before, again := t.once[key]; again && before+1 == seal.Round {
			t.c.w.fail(s.i, PromiseIncluded, fmt.Sprintf("the seals of rounds %d and %d leave out its update", before, seal.Round))
		}
		t.once[key] = seal.Round
	}
}

// wronged reports whether a seal could have listed a site's update: every honest site that is up held
// it when the first of them was ready for a seal.
func (t *leftOut) wronged(s *site, seal *ledger.Seal, ready time.Duration) bool {
	update, announced := s.announced[seal.Opened]
	if !s.up || !s.honest() || !announced {
		return false
	}
	return t.c.heldByAll(update, ready)
}

// heldByAll reports whether every honest site of the roster that is up has held an artifact since before a time.
func (c *checker) heldByAll(manifest block.CID, before time.Duration) bool {
	for _, o := range c.w.sites {
		if !o.up || !o.honest() || !c.sits(o) {
			continue
		}
		if since, holds := o.holds[manifest]; !holds || since >= before {
			return false
		}
	}
	return true
}
