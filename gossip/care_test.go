package gossip_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/weft-mesh/weft/gossip"
)

// Gossipsub gives up streams that break too often. Care opens them again, without a new connection.
func TestBrokenGossipIsRevived(t *testing.T) {
	in := newInbox()
	sites := newSites(t, 2, in.Handler(gossip.Accept))
	startAll(sites)
	meet(t, sites)
	conns := sites[0].host.Network().ConnsToPeer(sites[1].id)
	breakStreams := func() {
		for _, c := range conns {
			for _, s := range c.GetStreams() {
				if strings.HasPrefix(string(s.Protocol()), "/meshsub/") {
					_ = s.Reset()
				}
			}
		}
	}
	apart := func() bool {
		return !peerInfo(sites[0], sites[1].id).Connected && !peerInfo(sites[1], sites[0].id).Connected
	}
	for quiet := 0; quiet < 50; { // until nobody has opened one for a while
		breakStreams()
		time.Sleep(10 * time.Millisecond)
		if quiet++; !apart() {
			quiet = 0
		}
	}
	var turned time.Time
	eventually(t, "new streams", func() bool {
		if time.Since(turned) > time.Second { // turns in haste would close what is just coming back
			turned = time.Now()
			for _, s := range sites {
				s.mesh.Turn()
			}
		}
		return !apart()
	})
	meet(t, sites)
	// Turns that follow each other this quickly may have closed a connection that was coming back, and
	// a message with it: like every sender, say it again.
	eventually(t, "a message", func() bool {
		_ = sites[0].mesh.Publish(t.Context(), fmt.Appendf(nil, "again %d", rand.Uint64()))
		return len(in.All()) > 0
	})
}

// A site loses power and comes back. Its old connection never says goodbye; it is closed once the new
// one answers, and gossip flows again.
func TestDeadConnectionIsClosed(t *testing.T) {
	in := newInbox()
	sites := newSites(t, 2, in.Handler(gossip.Accept))
	a, b := sites[0], sites[1]
	a.start()
	proxy := newProxy(t, a.host.Addrs()[0])
	b.known = []peer.AddrInfo{{ID: a.id, Addrs: []multiaddr.Multiaddr{proxy.addr}}}
	b.start()
	meet(t, sites)
	old := a.host.Network().ConnsToPeer(b.id)[0]
	a.mesh.Compare(b.id, 30*time.Second)
	if old.IsClosed() {
		t.Fatal("a connection that answers is closed")
	}
	proxy.freeze()
	b.stop()
	b.known = []peer.AddrInfo{a.info()}
	b.start()
	eventually(t, "the second connection", func() bool { return len(a.host.Network().ConnsToPeer(b.id)) == 2 })
	a.mesh.Compare(b.id, 200*time.Millisecond)
	eventually(t, "the end of the dead connection", old.IsClosed)
	meet(t, sites)
	must(t, a.mesh.Publish(t.Context(), []byte("published")))
	must(t, a.mesh.Send(t.Context(), b.id, []byte("sent")))
	in.Await(t, "published")
	in.Await(t, "sent")
}

// Notices of several connections come in any order: what they say is not believed.
func TestLateNotices(t *testing.T) {
	sites := newSites(t, 2, nil)
	a, b := sites[0], sites[1]
	startAll(sites)
	meet(t, sites)
	a.mesh.Disconnected(b.id) // of an older connection
	if !peerInfo(a, b.id).Connected {
		t.Error("a site that is connected counts as away")
	}
	b.stop()
	eventually(t, "the end", func() bool { return !peerInfo(a, b.id).Connected && len(a.host.Network().ConnsToPeer(b.id)) == 0 })
	a.mesh.Connected(b.id) // of a connection that has ended meanwhile
	a.mesh.RosterChanged() // which tells the seeker how things stand
	if got := a.mesh.LinkState(b.id); got != "apart" {
		t.Errorf("a site that is gone is %s", got)
	}
	b.start()
	meet(t, sites)
}

// proxy passes bytes on until it is frozen; then it holds its connections and passes nothing.
type proxy struct {
	addr multiaddr.Multiaddr
	cold chan struct{}
}

func newProxy(t *testing.T, to multiaddr.Multiaddr) *proxy {
	t.Helper()
	target, err := manet.ToNetAddr(to)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr, err := manet.FromNetAddr(l.Addr())
	must(t, err)
	p := &proxy{addr, make(chan struct{})}
	over := make(chan struct{})
	pass := func(to, from net.Conn) {
		defer func() {
			<-over // not even the end is passed on
			_ = to.Close()
		}()
		b := make([]byte, 4096)
		for {
			n, err := from.Read(b)
			select {
			case <-p.cold:
				return
			default:
			}
			if _, err1 := to.Write(b[:n]); err != nil || err1 != nil {
				return
			}
		}
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target.String())
			if err != nil {
				t.Error(err)
				return
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		close(over)
	})
	return p
}

func (p *proxy) freeze() { close(p.cold) }
