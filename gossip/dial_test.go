package gossip_test

import (
	"net"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/weft-mesh/weft/block"
)

// Why a site cannot be reached is known, and forgotten once it can.
func TestDialFailures(t *testing.T) {
	sites := newSites(t, 5, nil)
	a, b, closed, nowhere, other := sites[0], sites[1], sites[2], sites[3], sites[4]
	b.start()
	closed.listenAt()
	gone := closed.info()
	must(t, closed.host.Close())
	a.known = []peer.AddrInfo{
		gone,
		{ID: nowhere.id, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/dns4/site.invalid/tcp/4801")}},
		{ID: other.id, Addrs: b.host.Addrs()},
	}
	a.start()
	for id, want := range map[peer.ID]string{
		gone.ID:    "connection refused",
		nowhere.id: "site.invalid",
		other.id:   "another site is there, with the peer ID " + b.id.String(),
	} {
		eventually(t, want, func() bool { return strings.Contains(peerInfo(a, id).Failure, want) })
	}
	closed.known = []peer.AddrInfo{a.info()}
	closed.start()
	eventually(t, "no failure", func() bool { i := peerInfo(a, gone.ID); return i.Connected && i.Failure == "" })
}

// A site of another mesh is no secret: nothing is gossiped over the connection, which this site closes in the end.
func TestDialAnotherMesh(t *testing.T) {
	sites := newSites(t, 2, nil)
	a, b := sites[0], sites[1]
	b.of = block.Sum(block.DagCBOR, []byte("another mesh"))
	b.start()
	a.known = []peer.AddrInfo{b.info()}
	a.start()
	const want = "disconnected: no gossip over this connection: is it of the same mesh, and this site's key used nowhere else?"
	eventually(t, want, func() bool {
		if len(a.host.Network().ConnsToPeer(b.id)) > 0 {
			a.mesh.Turn()
		}
		return peerInfo(a, b.id).Failure == want
	})
}

// Who answers at an address may say anything.
func TestDialStranger(t *testing.T) {
	sites := newSites(t, 2, nil)
	a, b := sites[0], sites[1]
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("\x1b[2J all is well; " + strings.Repeat("hint: ", 1000)))
			_ = c.Close()
		}
	}()
	at, err := manet.FromNetAddr(l.Addr())
	must(t, err)
	a.known = []peer.AddrInfo{{ID: b.id, Addrs: []multiaddr.Multiaddr{at}}}
	a.start()
	eventually(t, "the reason", func() bool { return peerInfo(a, b.id).Failure != "" })
	if why := peerInfo(a, b.id).Failure; strings.Contains(why, "\x1b") || len(why) > 400 {
		t.Errorf("%d bytes: %q", len(why), why)
	}
}

// A site that does not let this one in says so by closing.
func TestDialNotAdmitted(t *testing.T) {
	sites := newSites(t, 2, nil)
	a, b := sites[0], sites[1]
	b.roster = &roster{sites: []peer.ID{b.id}}
	b.start()
	a.known = []peer.AddrInfo{b.info()}
	a.start()
	eventually(t, "the reason", func() bool { return strings.Contains(peerInfo(a, b.id).Failure, "it closes the connection") })
}
