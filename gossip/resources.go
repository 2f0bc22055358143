package gossip

import (
	"time"

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
	handshakes     = 128       // connections of which it is not yet known whose they are
)

// newResources returns limits for a mesh of so many peers. Libp2p's own scale with the machine's memory, and
// allow eight connections per address and one in five seconds: too few for sites that share a
// machine, a campus network or a NAT.
func newResources(peers int) (network.ResourceManager, error) {
	n := rcmgr.LimitVal(peers)
	limits := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: 2*n + handshakes, ConnsInbound: 2*n + handshakes, ConnsOutbound: 2*n + handshakes,
			Streams: 64 * n, StreamsInbound: 64 * n, StreamsOutbound: 64 * n,
			FD:     2*n + handshakes,
			Memory: rcmgr.LimitVal64(1<<30 + int64(peers)*(16<<20)),
		},
		Transient: rcmgr.ResourceLimits{
			Conns: handshakes, ConnsInbound: handshakes, ConnsOutbound: handshakes,
			Streams: 4 * n, StreamsInbound: 4 * n, StreamsOutbound: 4 * n,
			FD:     handshakes,
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
	perAddr := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: 2*peers + handshakes}}
	perNet := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: 2*peers + handshakes}}
	burst := rate.Limit{RPS: 10, Burst: 4 * peers}
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(defaults.Scale(int64(1+peers/32)<<30, 4096))), // what is left: identify, ping
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(perAddr, perNet),
		rcmgr.WithConnRateLimiters(&rate.Limiter{SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: burst}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 64, Limit: burst}},
			GracePeriod:      time.Minute,
		}}),
	)
}

func unlimited() rcmgr.ResourceLimits {
	return rcmgr.ResourceLimits{
		Streams: rcmgr.Unlimited, StreamsInbound: rcmgr.Unlimited, StreamsOutbound: rcmgr.Unlimited,
		Memory: rcmgr.Unlimited64,
	}
}
