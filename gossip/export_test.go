package gossip

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Cut keeps m and p apart until Mend.
func (m *Mesh) Cut(p peer.ID) {
	m.host.gate.ban(p, time.Now().Add(time.Hour))
	_ = m.host.Network().ClosePeer(p)
}

// Mend lets m and p connect again.
func (m *Mesh) Mend(p peer.ID) {
	g := m.host.gate
	g.mu.Lock()
	delete(g.banned, p)
	g.mu.Unlock()
	m.RosterChanged()
}

// DirectProtocol is the name under which m takes direct messages.
func (m *Mesh) DirectProtocol() string { return m.name("direct") }

// Turn is a turn of care.
func (m *Mesh) Turn() { m.turn(1) }

// Connected and Disconnected are the notices of the network, which may come late.
func (m *Mesh) Connected(p peer.ID) { m.connected(p) }

// Disconnected is the notice that one of the connections with p has ended.
func (m *Mesh) Disconnected(p peer.ID) { m.disconnected(p) }

// Compare looks for a connection with p that is silent for so long beside a newer one that answers.
func (m *Mesh) Compare(p peer.ID, silent time.Duration) { m.compare(p, silent) }

// LinkState says how far the connection with p is.
func (m *Mesh) LinkState(p peer.ID) (state string) {
	m.links.tell(p, func(s linkState) {
		state = [...]string{apart: "apart", dialing: "dialing", linked: "linked", ready: "ready"}[s]
	})
	return state
}

// What is allowed of unfinished handshakes.
const (
	MaxHandshakes  = maxHandshakes
	MaxFromNetwork = maxFromNetwork
)

// Handshakes are the unfinished ones over TCP.
type Handshakes struct{ *handshakes }

// NewHandshakes returns none.
func NewHandshakes() Handshakes { return Handshakes{newHandshakes()} }

// Begin notes a connection that was accepted.
func (h Handshakes) Begin(c network.ConnMultiaddrs) { h.begin(c) }

// End notes that it is known whose a connection is.
func (h Handshakes) End(c network.ConnMultiaddrs) { h.end(c) }
