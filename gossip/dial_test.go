package gossip_test

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
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
