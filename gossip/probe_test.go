package gossip

import (
	"path/filepath"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// A probe says of each site whose address is known that it answers, with what, or why it cannot be reached.
func TestProbe(t *testing.T) {
	here := multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")
	all := func(peer.ID) bool { return true }
	up, gone, self := newIdentity(t), newIdentity(t), newIdentity(t)
	other, err := NewHost(HostConfig{Key: up.key, Listen: []multiaddr.Multiaddr{here}, Roster: all, Agent: "weft/9"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c := HostConfig{Key: self.key, Listen: []multiaddr.Multiaddr{here}, Roster: all}
	list, err := Probe(t.Context(), c, filepath.Join(t.TempDir(), "none"), []peer.AddrInfo{
		{ID: other.ID(), Addrs: other.Addrs()},
		{ID: gone.id, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[peer.ID]Probed{}
	for _, p := range list {
		got[p.ID] = p
	}
	if p := got[other.ID()]; p.Failure != "" || p.Program != "weft/9" || p.RTT <= 0 {
		t.Errorf("a site that is up: %+v", p)
	}
	if p := got[gone.id]; p.Failure != "/ip4/127.0.0.1/tcp/1: connection refused" {
		t.Errorf("a site that is down: %+v", p)
	}
	taken := c
	taken.Listen = other.Addrs()[:1]
	if _, err := Probe(t.Context(), taken, "", nil); err == nil {
		t.Error("a port that is taken was listened on")
	}
}
