package gossip

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
)

// HostConfig says who a host is and whom it talks to.
type HostConfig struct {
	Key      crypto.PrivKey        // the site's; Ed25519
	Listen   []multiaddr.Multiaddr // TCP and QUIC addresses; none: dial only
	Announce []multiaddr.Multiaddr // addresses to tell others instead of those listened on, for instance behind a NAT
	Roster   func(peer.ID) bool    // who may connect and be dialed; its answers may change, see Mesh.RosterChanged
	Visitor  func(peer.ID) bool    // asked when somebody else connects, and while the connection lasts: whether to let it; nil: nobody
	Peers    int                   // how many peers to have room for; 0: 256
	Agent    string                // name and version of this program, told to peers
	Network  libp2p.Option         // what carries its connections; nil: TCP and QUIC on this machine's own network
	Metrics  prometheus.Registerer // gets what libp2p counts; nil: nobody
	Log      *slog.Logger          // nil: none
}

// Host is a libp2p host that knows only the peers of a roster. All protocols of a site share one.
type Host struct {
	host.Host
	gate *gate
}

// NewHost starts listening. The caller closes the host, after all that uses it.
func NewHost(c HostConfig) (*Host, error) {
	if c.Key == nil || c.Roster == nil {
		return nil, errors.New("start host: a key and a roster are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Peers <= 0 {
		c.Peers = 256
	}
	if c.Network == nil {
		c.Network = transports()
	}
	g := &gate{roster: c.Roster, visitor: c.Visitor, log: c.Log, knocks: newHandshakes(), banned: map[peer.ID]time.Time{}, told: map[peer.ID]struct{}{}}
	resources, err := newResources(c.Peers)
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	// Sites of the mesh are protected (see Mesh); what may be trimmed are a roster's observers.
	manager, err := connmgr.NewConnManager(c.Peers, 2*c.Peers)
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	opts := []libp2p.Option{
		libp2p.Identity(c.Key),
		libp2p.ListenAddrs(c.Listen...),
		libp2p.UserAgent(c.Agent),
		libp2p.ConnectionGater(g),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(manager),
		c.Network,
		quiet(),
		counted(c.Metrics),
	}
	if len(c.Listen) == 0 {
		opts = append(opts, libp2p.NoListenAddrs)
	}
	if len(c.Announce) > 0 {
		announce := slices.Clone(c.Announce)
		opts = append(opts, libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return announce }))
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	// Libp2p is content when one of the addresses could be had.
	if got := h.Network().ListenAddresses(); len(got) < len(c.Listen) {
		return nil, errors.Join(
			fmt.Errorf("start host: want to listen on %v, can only on %v; is another program using the port?", c.Listen, got),
			h.Close())
	}
	return &Host{h, g}, nil
}

// transports are TCP and QUIC. TCP is dialed first: over loopback on two cores one stream carries
// 620 MB/s with it and 210 MB/s with QUIC, whose packets pass through user space. TLS comes
// first too; Noise is as fast there, and slower where only AES is in hardware.
func transports() libp2p.Option {
	mux := *yamux.DefaultTransport
	// Yamux starts a stream with a window of 256 KiB and doubles it at most once in four round trips; at
	// each doubling it forgets to grant what has just been read (stream.go, sendWindowUpdate), so the sender's
	// window lags behind. With the first window as large as the last neither happens: 16 MiB fill 100 ms
	// at 160 MB/s. (One stream through a 100 ms proxy, first two seconds: 48 MB/s before, 98 MB/s after.)
	// Windows cost memory only while data waits to be read.
	mux.InitialStreamWindowSize = 16 << 20
	mux.MaxStreamWindowSize = 16 << 20
	return libp2p.ChainOptions(
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()), // or two nodes could listen on one port
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, &mux),
		libp2p.SwarmOpts(swarm.WithDialRanker(rankTCPFirst)),
	)
}

// quiet turns off what a mesh of known sites has no use for: relays, reachability probes, learning
// one's address from others, and giving up on UDP or IPv6 after failures.
func quiet() libp2p.Option {
	return libp2p.ChainOptions(
		libp2p.DisableRelay(),
		libp2p.ForceReachabilityPublic(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
	)
}

// counted has libp2p count into a registry, never into the process's global one.
func counted(r prometheus.Registerer) libp2p.Option {
	if r != nil {
		return libp2p.PrometheusRegisterer(r)
	}
	// The event bus counts even with metrics disabled, so it gets a registry that nobody reads.
	return libp2p.ChainOptions(libp2p.PrometheusRegisterer(prometheus.NewRegistry()), libp2p.DisableMetrics())
}

// rankTCPFirst gives TCP a head start of one round trip over QUIC; within each, libp2p's own
// ranking (RFC 8305, happy eyeballs) holds.
func rankTCPFirst(addrs []multiaddr.Multiaddr) []network.AddrDelay {
	var stream, packet []multiaddr.Multiaddr
	for _, a := range addrs {
		if _, err := a.ValueForProtocol(multiaddr.P_TCP); err == nil {
			stream = append(stream, a)
		} else {
			packet = append(packet, a)
		}
	}
	ranked := swarm.DefaultDialRanker(stream)
	var head time.Duration
	if len(stream) > 0 {
		head = swarm.PublicTCPDelay
	}
	for _, r := range swarm.DefaultDialRanker(packet) {
		r.Delay += head
		ranked = append(ranked, r)
	}
	return ranked
}
