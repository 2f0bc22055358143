package gossip

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Cut keeps m and p apart until Mend.
func (m *Mesh) Cut(p peer.ID) {
	m.host.gate.ban(p, time.Now().Add(time.Hour))
	_ = m.host.Network().ClosePeer(p)
}

// Mend lets m and p connect again.
func (m *Mesh) Mend(p peer.ID) {
	m.host.gate.pardon(p)
	m.RosterChanged()
}

// DirectProtocol is the name under which m takes direct messages.
func (m *Mesh) DirectProtocol() string { return m.name("direct") }

// Turn is a turn of care.
func (m *Mesh) Turn() { m.turn(1) }

// Compare looks for a connection with p that is silent for so long beside a newer one that answers.
func (m *Mesh) Compare(p peer.ID, silent time.Duration) { m.compare(p, silent) }
