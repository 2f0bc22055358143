package gossip_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/weft-mesh/weft/gossip"
)

// 160 sockets of a stranger from one address say nothing, and are opened again when they are closed. A site that restarts gets in
// all the same, from the same network, over a connection that it makes and over one that is made to it.
func TestIdleSocketsKeepNobodyOut(t *testing.T) {
	sites := newSites(t, 3, nil)
	in, member, dialed := sites[0], sites[1], sites[2]
	for _, s := range sites {
		s.listen = loopback
		s.listenAt()
		t.Cleanup(func() { _ = s.host.Close() })
	}
	ctx, cancel := context.WithCancel(t.Context())
	idle := make(chan struct{})
	const sockets = 160
	for range sockets {
		go holdSocket(ctx, in.host.Network().ListenAddresses()[0], idle)
	}
	for range sockets {
		<-idle
	}
	t.Cleanup(cancel)
	moment, end := context.WithTimeout(t.Context(), 3*time.Second)
	defer end()
	must(t, member.host.Connect(moment, in.info()))
	must(t, in.host.Connect(moment, dialed.info()))
}

// holdSocket keeps a silent connection until ctx ends, and tells when it has the first.
func holdSocket(ctx context.Context, to multiaddr.Multiaddr, first chan<- struct{}) {
	addr, err := manet.ToNetAddr(to)
	if err != nil {
		return
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	for {
		c, err := d.DialContext(ctx, "tcp", addr.String())
		if err != nil && d.LocalAddr != nil {
			d.LocalAddr = nil // this machine has no such address
			continue
		}
		if first != nil {
			first <- struct{}{}
			first = nil
		}
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			_, _ = c.Read(make([]byte, 1<<10)) // multistream's greeting
			_, _ = c.Read(make([]byte, 1))
			stop()
			_ = c.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Who holds all room gives way: the oldest first, of the network that has most.
func TestOldestHandshakeGivesWay(t *testing.T) {
	h := gossip.NewHandshakes()
	conns := map[string]*knock{}
	knockAt := func(remote string) *knock {
		k := &knock{remote: multiaddr.StringCast(remote)}
		conns[remote] = k
		h.Begin(k)
		return k
	}
	open := func() (n int) {
		for _, k := range conns {
			if !k.closed {
				n++
			}
		}
		return n
	}
	for port := range 2 * gossip.MaxFromNetwork {
		knockAt("/ip4/203.0.113.9/tcp/" + strconv.Itoa(1024+port))
	}
	if got := open(); got != gossip.MaxFromNetwork {
		t.Errorf("%d sockets of one network are open, want %d", got, gossip.MaxFromNetwork)
	}
	if !conns["/ip4/203.0.113.9/tcp/1024"].closed {
		t.Error("the oldest is open")
	}
	member := knockAt("/ip4/203.0.113.10/tcp/4801")
	for i := range gossip.MaxHandshakes - 8 {
		knockAt("/ip6/2001:db8:" + strconv.Itoa(i) + "::1/tcp/1024")
	}
	if got := open(); got != gossip.MaxHandshakes {
		t.Errorf("%d sockets are open, want %d", got, gossip.MaxHandshakes)
	}
	h.End(member)
	if member.closed {
		t.Error("the handshake of a member was ended, though others of its network are older")
	}
	knockAt("/ip4/203.0.113.9/tcp/2")
	if got := open(); got != gossip.MaxHandshakes+1 {
		t.Errorf("a handshake that is over still takes room: %d open", got)
	}
}

// knock is a connection of which nothing is known but its address.
type knock struct {
	remote multiaddr.Multiaddr
	closed bool
}

func (k *knock) LocalMultiaddr() multiaddr.Multiaddr  { return multiaddr.StringCast(loopback) }
func (k *knock) RemoteMultiaddr() multiaddr.Multiaddr { return k.remote }
func (k *knock) Close() error                         { k.closed = true; return nil }
