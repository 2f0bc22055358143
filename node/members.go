package node

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/ledger"
)

// members is who belongs to the mesh, as the ledger and this site's operator have it.
type members struct {
	roster    *ledger.Roster     // in force
	names     map[peer.ID]string // of every key that is or was a site's
	observers map[peer.ID]bool   // who is to become a site, with this operator's approval or that of a quorum
	observes  bool               // this site is in no roster: not yet, or no longer
}

func newMembers(l *ledger.Ledger, self peer.ID, observers []peer.ID) members {
	m := members{roster: l.Roster(), names: maps.Collect(l.Members()), observes: !l.Roster().Has(self), observers: map[peer.ID]bool{}}
	for _, id := range observers {
		m.observers[id] = true
	}
	return m
}

// admits reports whether this site keeps connections with p. While it is no site itself, or reaches too few of those
// that it knows, it also trusts whom its operator has named, as the roster may have changed beyond recognition since it
// heard of it last; but nobody who was removed.
func (n *Node) admits(p peer.ID) bool {
	m := n.view.Load()
	return m.roster.Has(p) || m.observers[p] || n.named[p] && !m.former(p) && (m.observes || n.few())
}

// few reports whether the sites of the roster that are connected, this one included, are no quorum: then they decide
// nothing, and others may have.
func (n *Node) few() bool {
	m := n.view.Load()
	return m.up(n.reach.list(), n.home.ID) < m.roster.Quorum()
}

// sought returns whom this site seeks connections with.
func (n *Node) sought() []peer.ID {
	m := n.view.Load()
	var ids []peer.ID
	for _, s := range m.roster.Sites() {
		ids = append(ids, s.ID)
	}
	for p := range n.named {
		if !m.roster.Has(p) && n.admits(p) {
			ids = append(ids, p)
		}
	}
	return ids
}

// former reports whether p was a site and is none any more.
func (m *members) former(p peer.ID) bool {
	_, was := m.names[p]
	return was && !m.roster.Has(p)
}

// name returns the name of the site whose key id is or was, or the end of the peer ID for a stranger.
func (m *members) name(id peer.ID) string {
	if name, ok := m.names[id]; ok {
		return name
	}
	s := id.String()
	return "…" + s[max(0, len(s)-8):]
}

// differ reports whether anybody has come or gone.
func (m *members) differ(old *members) bool {
	return m.roster.Version() != old.roster.Version() || m.observes != old.observes || !maps.Equal(m.observers, old.observers)
}

// visits are the moments in which who was removed is let in, to be handed the ledger up to its removal: when
// it goes, or, if it was away then, when it comes back.
type visits struct {
	mu    sync.Mutex
	since map[peer.ID]time.Time
}

// open reports whether p is let in now; a visit begins with the first question after visitEvery.
func (v *visits) open(p peer.ID, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.since == nil {
		v.since = map[peer.ID]time.Time{}
	}
	if began, before := v.since[p]; before && now.Sub(began) < visitEvery {
		return now.Sub(began) < visitTime
	}
	v.since[p] = now
	return true
}

// up returns how many sites of the roster are connected, this one included.
func (m *members) up(reach []peer.ID, self peer.ID) int {
	return len(slices.DeleteFunc(append(reach, self), func(p peer.ID) bool { return !m.roster.Has(p) }))
}
