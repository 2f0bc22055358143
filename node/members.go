package node

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/round"
)

// members is who belongs to the mesh, as the ledger and this site's operator have it.
type members struct {
	roster    *round.Roster         // in force
	names     map[peer.ID]string    // of every key that is or was a site's
	observers map[peer.ID]bool      // who is to become a site, with this operator's approval
	observes  bool                  // this site is in no roster: not yet, or no longer
	parting   map[peer.ID]time.Time // who has been removed just now, and until when it is heard: it has to learn of it
}

// admits reports whether this site keeps connections with p. While it is no site itself it also trusts whom its
// operator has named, as the roster may have changed beyond recognition since the genesis; but nobody who was removed.
func (m *members) admits(p peer.ID, named map[peer.ID]bool) bool {
	_, was := m.names[p]
	return m.roster.Has(p) || m.observers[p] || m.observes && named[p] && !was || time.Now().Before(m.parting[p])
}

// sought returns whom this site seeks connections with.
func (m *members) sought(named map[peer.ID]bool) []peer.ID {
	var ids []peer.ID
	for _, s := range m.roster.Sites() {
		ids = append(ids, s.ID)
	}
	for p := range named {
		if !m.roster.Has(p) && m.admits(p, named) {
			ids = append(ids, p)
		}
	}
	return ids
}

// name returns the name of the site whose key id is or was, or the peer ID's end for a stranger.
func (m *members) name(id peer.ID) string {
	if name, ok := m.names[id]; ok {
		return name
	}
	return id.ShortString()
}

// follow takes over from the members before: who is no longer one parts. It reports whether anybody came or went.
func (m *members) follow(old *members) (changed bool) {
	m.parting = maps.Clone(old.parting)
	if m.parting == nil {
		m.parting = map[peer.ID]time.Time{}
	}
	for _, s := range old.roster.Sites() {
		if !m.roster.Has(s.ID) {
			m.parting[s.ID] = time.Now().Add(partingTime)
		}
	}
	return m.roster.Version() != old.roster.Version() || m.observes != old.observes || !maps.Equal(m.observers, old.observers)
}

// up returns how many sites of the roster are connected, this one included.
func (m *members) up(reach []peer.ID, self peer.ID) int {
	return len(slices.DeleteFunc(append(reach, self), func(p peer.ID) bool { return !m.roster.Has(p) }))
}
