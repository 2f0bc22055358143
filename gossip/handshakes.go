package gossip

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Connections of which it is not known yet whose they are. Once the handshake has named a key, a connection of the roster counts
// against its peer alone, for whom there is always room: where a site comes from is not known beforehand, as it may have moved or
// stand behind a gateway, so no room is kept by address.
const (
	handshakeTime    = 10 * time.Second
	maxHandshakes    = 128                            // over TCP
	maxFromNetwork   = maxHandshakes / 2              // of them from one network: a /24, or a /64
	maxPackets       = maxHandshakes / 2              // over QUIC
	maxPacketsFrom   = maxPackets / 2                 // of them from one network
	maxArriving      = 2*maxHandshakes + 2*maxPackets // the same for libp2p, which needs a moment to see that one was closed
	maxDialing       = 128                            // on the way to others
	arrivalsASecond  = 10                             // from one address, or /64, in the long run
	arrivalsPerPeer  = 4                              // at once, for each peer there is room for: a campus may be one address
	arrivalsForgiven = time.Minute                    // until an address that is silent is forgotten
)

// handshakes are the unfinished ones over TCP. When there is no room for another, the oldest goes: of the same network if that has
// its share, else of the network that has most. An honest handshake takes milliseconds, and so is seldom the oldest; sockets that
// say nothing always are, and keep nobody out. One that takes too long is closed.
type handshakes struct {
	mu       sync.Mutex
	networks map[netip.Prefix][]*handshake // oldest first
	open     map[string]*handshake         // by its two addresses
	begun    uint64
}

type handshake struct {
	number  uint64 // in the order of their beginnings
	network netip.Prefix
	key     string
	conn    io.Closer
	expiry  *time.Timer
}

func newHandshakes() *handshakes {
	return &handshakes{networks: map[netip.Prefix][]*handshake{}, open: map[string]*handshake{}}
}

// begin notes a connection that was accepted.
func (l *handshakes) begin(c network.ConnMultiaddrs) {
	conn, closes := c.(io.Closer)
	if _, done := c.(network.ConnSecurity); done || !closes {
		return // over QUIC, whose handshake comes first
	}
	h := &handshake{network: networkOf(c.RemoteMultiaddr()), key: ends(c), conn: conn}
	l.mu.Lock()
	defer l.mu.Unlock()
	if gone := l.inTheWay(h.network); gone != nil {
		l.remove(gone)
		_ = gone.conn.Close() // whoever serves it sees that it ends
	}
	l.begun++
	h.number = l.begun
	h.expiry = time.AfterFunc(handshakeTime, func() {
		if l.take(h.key) == h {
			_ = h.conn.Close()
		}
	})
	l.open[h.key] = h
	l.networks[h.network] = append(l.networks[h.network], h)
}

// inTheWay returns the handshake that has to go for another from a network, or nil.
func (l *handshakes) inTheWay(from netip.Prefix) *handshake {
	if n := l.networks[from]; len(n) >= maxFromNetwork {
		return n[0]
	}
	if len(l.open) < maxHandshakes {
		return nil
	}
	var most []*handshake
	for _, n := range l.networks {
		if len(n) > len(most) || len(n) == len(most) && n[0].number < most[0].number {
			most = n
		}
	}
	return most[0]
}

// end notes that it is known whose a connection is.
func (l *handshakes) end(c network.ConnMultiaddrs) { l.take(ends(c)) }

func (l *handshakes) take(key string) *handshake {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.open[key]
	if h != nil {
		l.remove(h)
	}
	return h
}

func (l *handshakes) remove(h *handshake) {
	h.expiry.Stop()
	delete(l.open, h.key)
	n := l.networks[h.network]
	for i := range n {
		if n[i] == h {
			n = append(n[:i:i], n[i+1:]...)
			break
		}
	}
	if l.networks[h.network] = n; len(n) == 0 {
		delete(l.networks, h.network)
	}
}

// ends names a connection by its two addresses.
func ends(c network.ConnMultiaddrs) string {
	return c.RemoteMultiaddr().String() + " " + c.LocalMultiaddr().String()
}

// networkOf returns the network that an address is of: what one holder of addresses usually has.
func networkOf(a multiaddr.Multiaddr) netip.Prefix {
	addr := addrOf(a)
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: they share one room
	}
	return p
}

// addrOf returns the address that a multiaddr begins with, if there is one.
func addrOf(a multiaddr.Multiaddr) netip.Addr {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
