package gossip

import (
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// gate closes connections with whom the roster does not list, as soon as the handshake has shown
// who it is, and dials nobody else.
type gate struct {
	roster  func(peer.ID) bool
	visitor func(peer.ID) bool // nil: nobody is
	log     *slog.Logger
	knocks  *handshakes

	mu     sync.Mutex
	banned map[peer.ID]time.Time
	told   map[peer.ID]struct{} // whose refusal was logged
}

var _ connmgr.ConnectionGater = (*gate)(nil)

// expects reports whether p is in the roster, or visits.
func (g *gate) expects(p peer.ID) bool { return g.roster(p) || g.visitor != nil && g.visitor(p) }

// admits reports whether connections with p are allowed now.
func (g *gate) admits(p peer.ID) bool {
	if !g.expects(p) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.banned[p]
	if ok && !time.Now().Before(until) {
		delete(g.banned, p)
		ok = false
	}
	return !ok
}

// ban refuses p until then.
func (g *gate) ban(p peer.ID, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.banned[p] = until
}

// InterceptPeerDial refuses to dial strangers.
func (g *gate) InterceptPeerDial(p peer.ID) bool { return g.admits(p) }

// InterceptAddrDial allows every address: sites may live in private networks.
func (g *gate) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept allows every address: who it is shows in the handshake.
func (g *gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	g.knocks.begin(c)
	return true
}

// InterceptSecured refuses strangers once the handshake has shown who they are.
func (g *gate) InterceptSecured(_ network.Direction, p peer.ID, c network.ConnMultiaddrs) bool {
	g.knocks.end(c)
	if g.admits(p) {
		return true
	}
	g.tell(p, c.RemoteMultiaddr())
	return false
}

// InterceptUpgraded asks once more: the roster may have changed during the handshake.
func (g *gate) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.admits(c.RemotePeer()), 0
}

// tell logs each stranger once, so that a site missing from the roster is easy to find and a
// stranger that keeps knocking does not fill the log.
func (g *gate) tell(p peer.ID, addr multiaddr.Multiaddr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.told[p]; ok {
		return
	}
	if len(g.told) >= maxStrangers {
		clear(g.told)
	}
	g.told[p] = struct{}{}
	g.log.Warn("connection refused: not in the roster, or banned", "peer", p, "addr", addr)
}
