package gossip

import (
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// What one peer may take. The roster admits only known sites, so the limits guard against faulty
// and hostile ones, not against crowds.
const (
	connsPerPeer   = 8
	streamsPerPeer = 256
	memoryPerPeer  = 256 << 20 // receive windows; reserved, seldom used
)

// newResources returns limits for a mesh of so many peers. Libp2p's own scale with the machine's memory, and
// allow eight connections per address and one in five seconds: too few for sites that share a
// machine, a campus network or a NAT.
func newResources(peers int) (network.ResourceManager, error) {
	n := rcmgr.LimitVal(peers)
	limits := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: 2*n + maxArriving + maxDialing, ConnsInbound: 2*n + maxArriving, ConnsOutbound: 2*n + maxDialing,
			Streams: 64 * n, StreamsInbound: 64 * n, StreamsOutbound: 64 * n,
			FD:     2*n + maxArriving + maxDialing,
			Memory: rcmgr.LimitVal64(1<<30 + int64(peers)*(16<<20)),
		},
		// Each direction has room of its own: who is dialed does not wait for strangers that knock.
		Transient: rcmgr.ResourceLimits{
			Conns: maxArriving + maxDialing, ConnsInbound: maxArriving, ConnsOutbound: maxDialing,
			Streams: 4 * n, StreamsInbound: 4 * n, StreamsOutbound: 4 * n,
			FD:     maxArriving + maxDialing,
			Memory: 1 << 30,
		},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: connsPerPeer, ConnsInbound: connsPerPeer, ConnsOutbound: connsPerPeer,
			Streams: streamsPerPeer, StreamsInbound: streamsPerPeer, StreamsOutbound: streamsPerPeer,
			FD:     connsPerPeer,
			Memory: memoryPerPeer,
		},
		Conn:                rcmgr.ResourceLimits{Memory: memoryPerPeer},
		Stream:              rcmgr.ResourceLimits{Memory: 32 << 20},
		ServiceDefault:      unlimited(),
		ServicePeerDefault:  unlimited(),
		ProtocolDefault:     unlimited(),
		ProtocolPeerDefault: rcmgr.ResourceLimits{Streams: 64, StreamsInbound: 32, StreamsOutbound: 32, Memory: memoryPerPeer},
	}
	defaults := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&defaults)
	// Where a connection comes from limits only those of which it is not known yet whose they are (handshakes, inbound): libp2p
	// counts those of the roster, and those that this site dials, into the same limits.
	free := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 0, ConnCount: 4 * (peers + maxArriving + maxDialing)}}
	manager, err := rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(defaults.Scale(int64(1+peers/32)<<30, 4096))), // what is left: identify, ping
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(free, free),
		rcmgr.WithConnRateLimiters(&rate.Limiter{}),
	)
	if err != nil {
		return nil, err
	}
	return newInbound(manager, peers), nil
}

func unlimited() rcmgr.ResourceLimits {
	return rcmgr.ResourceLimits{
		Streams: rcmgr.Unlimited, StreamsInbound: rcmgr.Unlimited, StreamsOutbound: rcmgr.Unlimited,
		Memory: rcmgr.Unlimited64,
	}
}
