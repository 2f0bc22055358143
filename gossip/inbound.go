package gossip

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/multiformats/go-multiaddr"
)

var (
	errRate = errors.New("too many connections from this address")
	errRoom = errors.New("too many unfinished handshakes over QUIC from this network, or in all")
)

// inbound adds to libp2p's resource manager what holds for connections that come in, and for none that this site dials: how many
// come from one address, and how many handshakes over QUIC are unfinished. Nobody can end one of those before its time, so who
// comes too many is refused, and gets in over TCP.
type inbound struct {
	network.ResourceManager
	arrivals *rate.Limiter

	mu      sync.Mutex
	packets map[netip.Prefix]int
	all     int
}

func newInbound(m network.ResourceManager, peers int) *inbound {
	limit := rate.Limit{RPS: arrivalsASecond, Burst: arrivalsPerPeer * peers}
	return &inbound{
		ResourceManager: m, packets: map[netip.Prefix]int{},
		arrivals: &rate.Limiter{SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: limit}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 64, Limit: limit}},
			GracePeriod:      arrivalsForgiven,
		}},
	}
}

// OpenConnection implements network.ResourceManager; usefd says that it is over TCP.
func (m *inbound) OpenConnection(dir network.Direction, usefd bool, a multiaddr.Multiaddr) (network.ConnManagementScope, error) {
	if dir == network.DirOutbound {
		return m.ResourceManager.OpenConnection(dir, usefd, a)
	}
	if addr := addrOf(a); addr.IsValid() && !m.arrivals.Allow(addr) {
		return nil, errRate
	}
	if usefd {
		return m.ResourceManager.OpenConnection(dir, usefd, a)
	}
	from := networkOf(a)
	if !m.begin(from) {
		return nil, errRoom
	}
	end := sync.OnceFunc(func() { m.end(from) })
	s, err := m.ResourceManager.OpenConnection(dir, usefd, a)
	if err != nil {
		end()
		return nil, err
	}
	return &arrival{s, end}, nil
}

func (m *inbound) begin(from netip.Prefix) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all >= maxPackets || m.packets[from] >= maxPacketsFrom {
		return false
	}
	m.all++
	m.packets[from]++
	return true
}

func (m *inbound) end(from netip.Prefix) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all--
	if m.packets[from]--; m.packets[from] == 0 {
		delete(m.packets, from)
	}
}

// arrival is a connection over QUIC; its handshake is over when it is known whose it is, or when it ends.
type arrival struct {
	network.ConnManagementScope
	end func()
}

// SetPeer implements network.ConnManagementScope.
func (a *arrival) SetPeer(p peer.ID) error {
	a.end()
	return a.ConnManagementScope.SetPeer(p)
}

// Done implements network.ConnManagementScope.
func (a *arrival) Done() {
	a.end()
	a.ConnManagementScope.Done()
}
