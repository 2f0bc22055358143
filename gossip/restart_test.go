package gossip_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"

	"github.com/weft-mesh/weft/gossip"
)

func TestRestartedSiteIsConnectedAgain(t *testing.T) {
	in := newInbox()
	sites := newSites(t, 3, in.Handler(gossip.Accept))
	startAll(sites)
	meet(t, sites)
	// The one that restarts knows nobody's address: the others must find it.
	back := sites[2]
	back.known = nil
	back.stop()
	for _, s := range sites[:2] {
		eventually(t, "the loss", func() bool { return !peerInfo(s, back.id).Connected })
	}
	began := time.Now()
	back.start()
	meet(t, sites)
	t.Logf("connected %v after the restart", time.Since(began).Round(time.Millisecond))
	must(t, sites[0].mesh.Send(t.Context(), back.id, []byte("sent"))) // over a new stream
	must(t, back.mesh.Publish(t.Context(), []byte("published")))
	in.Await(t, "sent")
	in.Await(t, "published")
}

// A site remembers the others: it finds them after a restart on another port, with the first one gone.
func TestAddressesOutliveARestart(t *testing.T) {
	sites := newSites(t, 3, nil)
	for i, s := range sites {
		s.file = filepath.Join(t.TempDir(), fmt.Sprint(i))
	}
	startAll(sites)
	meet(t, sites)
	sites[0].stop()
	sites[1].stop()
	sites[1].known, sites[1].listen = nil, loopback
	sites[1].start()
	meet(t, sites[1:])
	eventually(t, "the new address", func() bool {
		for _, a := range peerInfo(sites[2], sites[1].id).Addrs {
			if a.String() == sites[1].listen {
				return true
			}
		}
		return false
	})
}

// The roster changes while the mesh runs: one comes, one goes.
func TestRosterChanges(t *testing.T) {
	in := newInbox()
	sites := newSites(t, 4, in.Handler(gossip.Accept))
	a, b, leaver, joiner := sites[0], sites[1], sites[2], sites[3]
	a.roster.set(a.id, b.id, leaver.id)
	joiner.roster = &roster{}
	joiner.roster.set(a.id, b.id, joiner.id)
	startAll(sites[:3])
	meet(t, sites[:3])
	joiner.known = []peer.AddrInfo{a.info()}
	joiner.start()

	a.roster.set(a.id, b.id, joiner.id) // that of b and of the leaver too
	a.mesh.RosterChanged()
	b.mesh.RosterChanged()
	meet(t, []*site{a, b, joiner})
	eventually(t, "the disconnect", func() bool {
		return len(a.host.Network().ConnsToPeer(leaver.id)) == 0 && len(b.host.Network().ConnsToPeer(leaver.id)) == 0
	})
	for _, i := range a.mesh.Peers() {
		if i.ID == leaver.id {
			t.Error("who left is still a peer")
		}
	}
	_ = leaver.mesh.Publish(t.Context(), []byte("from outside"))
	must(t, joiner.mesh.Publish(t.Context(), []byte("from the new one")))
	in.Await(t, "from the new one")
	if in.Count("from outside") != 0 {
		t.Error("who left is still heard")
	}
}

// In a mesh larger than the degree not all are connected, and yet a message reaches all.
func TestLargeMeshIsSparse(t *testing.T) {
	const n, degree = 12, 4
	inbox := newInbox()
	sites := newSites(t, n, inbox.Handler(gossip.Accept))
	for _, s := range sites {
		s.degree = degree
	}
	startAll(sites)
	links := func() (total int) {
		for _, s := range sites {
			for _, i := range s.mesh.Peers() {
				if i.Connected {
					total++
				}
			}
		}
		return total
	}
	eventually(t, "the connections", func() bool {
		for _, s := range sites {
			c := 0
			for _, i := range s.mesh.Peers() {
				if i.Connected {
					c++
				}
			}
			if c < degree {
				return false
			}
		}
		return true
	})
	reached := false
	for k := 0; !reached && k < 100; k++ { // gossip takes a moment to settle
		what := fmt.Sprintf("attempt %d", k)
		must(t, sites[k%n].mesh.Publish(t.Context(), []byte(what)))
		for end := time.Now().Add(time.Second); !reached && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			reached = inbox.Count(what) == n-1
		}
	}
	if !reached {
		t.Error("no message reaches all")
	}
	t.Logf("%d of %d possible connections", links()/2, n*(n-1)/2)
	for what, times := range inbox.All() {
		if times > n-1 {
			t.Errorf("%q came %d times", what, times)
		}
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	one := newSites(t, 2, nil)
	startAll(one) // what libp2p starts once and for all
	meet(t, one)
	one[0].stop()
	one[1].stop()
	// settle waits until there are few enough goroutines, or as few as there will be.
	settle := func(enough int) int {
		n := runtime.NumGoroutine()
		for quiet := 0; n > enough && quiet < 200; quiet++ {
			time.Sleep(5 * time.Millisecond)
			if now := runtime.NumGoroutine(); now < n {
				n, quiet = now, 0
			}
		}
		return n
	}
	before := settle(0)
	for range 3 {
		sites := newSites(t, 3, nil)
		startAll(sites)
		meet(t, sites)
		for _, s := range sites {
			_ = s.mesh.Watch(t.Context())
			must(t, s.mesh.Publish(t.Context(), []byte(s.id)))
		}
		for _, s := range sites {
			s.stop()
		}
	}
	if after := settle(before); after > before {
		var b strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
		t.Errorf("%d goroutines before, %d after:\n%s", before, after, b.String())
	}
}

// A mesh that was closed leaves its host to others, and another may be joined on it.
func TestHostOutlivesTheMesh(t *testing.T) {
	in := newInbox()
	sites := newSites(t, 2, in.Handler(gossip.Accept))
	startAll(sites)
	meet(t, sites)
	a, b := sites[0], sites[1]
	b.mesh.Close()
	eventually(t, "the loss", func() bool { return !peerInfo(a, b.id).Connected })
	if r := <-ping.Ping(t.Context(), b.host, a.id); r.Error != nil {
		t.Errorf("the host is of no use any more: %v", r.Error)
	}
	must(t, b.host.Network().ClosePeer(a.id))
	m, err := gossip.New(gossip.Config{Host: b.host, Mesh: meshCID, Sites: b.roster.list, Handler: b.handler})
	must(t, err)
	defer m.Close()
	b.mesh = m
	meet(t, sites)
	must(t, m.Publish(t.Context(), []byte("again")))
	in.Await(t, "again")
}
