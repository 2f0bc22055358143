package gossip_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/gossip/gossiptest"
)

func TestMemoryConformance(t *testing.T) {
	gossiptest.Test(t, func(t *testing.T, handlers ...gossip.Handler) *gossiptest.Network {
		net := gossip.NewMemory()
		n := &gossiptest.Network{}
		n.Cut = func(i, j int) { net.Disconnect(n.Sites[i].ID(), n.Sites[j].ID()) }
		n.Mend = func(i, j int) { net.Connect(n.Sites[i].ID(), n.Sites[j].ID()) }
		for _, h := range handlers {
			m, err := net.Join(gossiptest.Stranger(t), h)
			must(t, err)
			t.Cleanup(m.Close)
			n.Sites = append(n.Sites, m)
		}
		return n
	})
}

// In virtual time a ban ends to the second and equal bytes become news again.
func TestMemoryInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := gossip.NewMemory()
		in := gossiptest.NewInbox()
		verdict := gossip.Accept
		a, err := net.Join("a", gossiptest.NewInbox().Handler(gossip.Accept))
		must(t, err)
		b, err := net.Join("b", func(ctx context.Context, from peer.ID, data []byte) gossip.Verdict {
			in.Handler(verdict)(ctx, from, data)
			return verdict
		})
		must(t, err)
		publish := func(want int) {
			t.Helper()
			must(t, a.Publish(t.Context(), []byte("again")))
			synctest.Wait()
			if got := in.Count("again"); got != want {
				t.Fatalf("after %v it came %d times, want %d", time.Now(), got, want)
			}
		}
		publish(1)
		publish(1)
		time.Sleep(5 * time.Minute)
		publish(2)

		verdict = gossip.Reject
		for range 100 {
			must(t, a.Send(t.Context(), "b", []byte("bad")))
			synctest.Wait()
		}
		banned := b.Peers()[0]
		if banned.Connected || banned.Banned.IsZero() || banned.Rejected != uint64(in.Count("bad")) {
			t.Fatalf("after 100 bad messages: %+v", banned)
		}
		time.Sleep(time.Until(banned.Banned) - time.Second)
		if synctest.Wait(); b.Peers()[0].Connected {
			t.Fatal("connected during the ban")
		}
		time.Sleep(time.Second)
		if synctest.Wait(); !b.Peers()[0].Connected || !a.Peers()[0].Connected {
			t.Fatal("not connected after the ban")
		}

		if _, err := net.Join("a", nil); err == nil {
			t.Fatal("joined twice")
		}
		a.Close()
		a, err = net.Join("a", gossiptest.NewInbox().Handler(gossip.Accept))
		must(t, err)
		if !a.Peers()[0].Connected {
			t.Fatal("not connected after it came back")
		}
		a.Close()
		b.Close()
	})
}

// A member that is closed says so to whoever still uses it, and is gone for the others. (A mesh ends with its Run.)
func TestMemberCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := gossip.NewMemory()
		join := func() *gossip.Member {
			m, err := net.Join(gossiptest.Stranger(t), gossiptest.NewInbox().Handler(gossip.Accept))
			must(t, err)
			return m
		}
		a, b := join(), join()
		net.Connect(a.ID(), b.ID())
		synctest.Wait()
		if !b.Peers()[0].Connected {
			t.Fatal("not connected")
		}
		events := a.Watch(context.Background())
		a.Close()
		a.Close()          // does nothing
		for range events { // the watch ends, or the bubble is deadlocked
		}
		if err := a.Publish(t.Context(), []byte("x")); !errors.Is(err, gossip.ErrClosed) {
			t.Errorf("publish: %v", err)
		}
		if err := a.Send(t.Context(), b.ID(), []byte("x")); !errors.Is(err, gossip.ErrClosed) {
			t.Errorf("send: %v", err)
		}
		if synctest.Wait(); b.Peers()[0].Connected {
			t.Error("the other still counts it as connected")
		}
		b.Close()
	})
}
