package node

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/node/index"
)

// gate decides with whom this site keeps connections and which block goes to whom.
type gate struct {
	self  peer.ID
	views *views
	reach *reach
	named map[peer.ID]bool // in the configuration's bootstrap addresses
	index *index.Index

	visits visits

	mu     sync.Mutex
	trusts bool // those named too, as it reaches few others
}

func newGate(self peer.ID, v *views, r *reach, named map[peer.ID]bool, x *index.Index) *gate {
	return &gate{self: self, views: v, reach: r, named: named, index: x}
}

// admits reports whether this site keeps connections with p. While it is no site itself, or reaches too few of those
// that it knows, it also admits those whom its operator has named, as its roster may be out of date; never a removed key.
func (g *gate) admits(p peer.ID) bool {
	m := g.views.now()
	return m.roster.Has(p) || m.observers[p] || g.named[p] && !m.former(p) && (m.observes || g.few())
}

// few reports whether the sites of the roster that are connected, this one included, are no quorum: then they decide
// nothing, and others may have.
func (g *gate) few() bool {
	m := g.views.now()
	return m.up(g.reach.list(), g.self) < m.roster.Quorum()
}

// sought returns whom this site seeks connections with.
func (g *gate) sought() []peer.ID {
	m := g.views.now()
	var ids []peer.ID
	for _, s := range m.roster.Sites() {
		ids = append(ids, s.ID)
	}
	for p := range g.named {
		if !m.roster.Has(p) && g.admits(p) {
			ids = append(ids, p)
		}
	}
	return ids
}

// visitor reports whether p is let in for a moment, though it is no site any more.
func (g *gate) visitor(p peer.ID) bool {
	v := g.views.now()
	return v.former(p) && !v.observes && g.visits.open(p, time.Now())
}

// turned reports whether it has changed whom this site trusts, as far as that hangs on how many it reaches.
func (g *gate) turned() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	few := g.few()
	changed := few != g.trusts
	g.trusts = few
	return changed
}

// allow says which block may go to whom: the ledger, layouts, bases and committed models to every
// site and to who is to become one; updates, and models that are not committed, to the participants of their run; what
// nobody knows the use of to none.
func (g *gate) allow(p peer.ID, c block.CID) bool {
	v := g.views.now()
	if !v.roster.Has(p) && !v.observers[p] {
		return false
	}
	readable, known := g.index.Readable(c, func(run block.CID) bool { return v.takes[run][p] })
	if !known {
		return c.Codec() == block.DagCBOR
	}
	return readable
}
