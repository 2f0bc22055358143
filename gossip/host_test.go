package gossip_test

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/gossip"
)

func TestHostListensOnAllOrNone(t *testing.T) {
	s := newSites(t, 1, nil)[0]
	s.listenAt()
	defer s.host.Close()
	_, err := gossip.NewHost(gossip.HostConfig{
		Key: s.key, Roster: s.roster.has,
		Listen: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/udp/0/quic-v1"), s.host.Addrs()[0]},
	})
	if err == nil || !strings.Contains(err.Error(), s.listen) {
		t.Errorf("another uses the port, and the error is: %v", err)
	}
	if _, err := gossip.NewHost(gossip.HostConfig{Key: s.key}); err == nil {
		t.Error("a host without a roster")
	}
}

// A site may tell other addresses than it listens on, and dials TCP before QUIC.
func TestHostAnnouncesAndPrefersTCP(t *testing.T) {
	sites := newSites(t, 2, nil)
	a, b := sites[0], sites[1]
	announced := multiaddr.StringCast("/dns4/site.example/tcp/4001")
	h, err := gossip.NewHost(gossip.HostConfig{
		Key: a.key, Roster: a.roster.has, Announce: []multiaddr.Multiaddr{announced},
		Listen: []multiaddr.Multiaddr{
			multiaddr.StringCast("/ip4/127.0.0.1/udp/0/quic-v1"), multiaddr.StringCast(loopback),
		},
	})
	must(t, err)
	defer h.Close()
	if got := h.Addrs(); len(got) != 1 || !got[0].Equal(announced) {
		t.Errorf("announces %v", got)
	}
	b.listen = loopback
	b.listenAt()
	defer b.host.Close()
	must(t, b.host.Connect(t.Context(), peer.AddrInfo{ID: a.id, Addrs: h.Network().ListenAddresses()}))
	conns := b.host.Network().ConnsToPeer(a.id)
	if len(conns) != 1 || conns[0].Stat().Direction != network.DirOutbound || !strings.Contains(conns[0].RemoteMultiaddr().String(), "/tcp/") {
		t.Errorf("connected by %v", conns)
	}
}

// What the exchange depends on: one stream's throughput over loopback.
func BenchmarkStream(b *testing.B) {
	for _, listen := range []string{loopback, "/ip4/127.0.0.1/udp/0/quic-v1"} {
		b.Run(listen, func(b *testing.B) {
			sites := newSites(b, 2, nil)
			for _, s := range sites {
				s.listen = listen
				s.listenAt()
				b.Cleanup(func() { s.host.Close() })
			}
			done := make(chan struct{})
			sites[1].host.SetStreamHandler("/test", func(s network.Stream) {
				buf := make([]byte, 1<<20)
				for {
					if _, err := s.Read(buf); err != nil {
						close(done)
						return
					}
				}
			})
			must(b, sites[0].host.Connect(b.Context(), sites[1].info()))
			s, err := sites[0].host.NewStream(b.Context(), sites[1].id, "/test")
			must(b, err)
			buf := make([]byte, 1<<20)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if _, err := s.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
			must(b, s.CloseWrite())
			<-done
		})
	}
}
