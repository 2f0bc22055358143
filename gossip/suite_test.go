package gossip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/gossip"
)

// testMesh is a mesh made for one test. Sites find each other by themselves and leave when the test
// ends.
type testMesh struct {
	Sites []*gossip.Mesh
	Cut   func(i, j int) // breaks the connection of two sites and keeps them from making another
	Mend  func(i, j int) // lets them connect again, which they do by themselves
}

// maker makes a network of as many sites as there are handlers.
type maker func(t *testing.T, handlers ...gossip.Handler) *testMesh

// patience bounds what the suite waits for; a correct mesh needs a fraction.
const patience = 30 * time.Second

// testSuite tests what the node relies on.
func testSuite(t *testing.T, newMesh maker) {
	t.Run("PublishReachesAllOnce", func(t *testing.T) { testPublish(t, newMesh) })
	t.Run("RelaysWhatIsAccepted", func(t *testing.T) { testRelay(t, newMesh, gossip.Accept) })
	t.Run("DropsWhatIsIgnored", func(t *testing.T) { testRelay(t, newMesh, gossip.Ignore) })
	t.Run("DropsAndBlamesWhatIsRejected", func(t *testing.T) { testRelay(t, newMesh, gossip.Reject) })
	t.Run("SendKeepsOrder", func(t *testing.T) { testOrder(t, newMesh) })
	t.Run("SizesAndStrangers", func(t *testing.T) { testRefusals(t, newMesh) })
	t.Run("SendNeverBlocks", func(t *testing.T) { testFull(t, newMesh) })
	t.Run("CutAndMend", func(t *testing.T) { testCut(t, newMesh) })
	t.Run("BansWhoMisbehaves", func(t *testing.T) { testBan(t, newMesh) })
}

func testPublish(t *testing.T, newMesh maker) {
	const sites, messages = 4, 20
	in := make([]*inbox, sites)
	handlers := make([]gossip.Handler, sites)
	for i := range in {
		in[i] = newInbox()
		handlers[i] = in[i].Handler(gossip.Accept)
	}
	n := newMesh(t, handlers...)
	n.Meet(t)
	for k := range messages {
		for i, s := range n.Sites {
			for range 2 { // equal bytes are one message
				must(t, s.Publish(t.Context(), fmt.Appendf(nil, "%d from %d", k, i)))
			}
		}
	}
	for i := range in {
		for j := range n.Sites {
			for k := range messages {
				if i != j {
					in[i].Await(t, fmt.Sprintf("%d from %d", k, j))
				}
			}
		}
	}
	for i := range in {
		for what, times := range in[i].All() {
			if times != 1 {
				t.Errorf("site %d got %q %d times", i, what, times)
			}
		}
		if own := in[i].Count(fmt.Sprintf("0 from %d", i)); own != 0 {
			t.Errorf("site %d got its own message", i)
		}
	}
}

// testRelay has three sites in a line. The one in the middle gives its verdict on "doubtful"
// messages and accepts the others.
func testRelay(t *testing.T, newMesh maker, verdict gossip.Verdict) {
	first, middle, last := newInbox(), newInbox(), newInbox()
	judge := func(ctx context.Context, from peer.ID, data []byte) gossip.Verdict {
		middle.put(from, data)
		if bytes.HasPrefix(data, []byte("doubtful")) {
			return verdict
		}
		return gossip.Accept
	}
	n := newMesh(t, first.Handler(gossip.Accept), judge, last.Handler(gossip.Accept))
	n.Meet(t)
	n.Cut(0, 2)
	n.awaitLink(t, 0, 2, false)
	must(t, n.Sites[0].Publish(t.Context(), []byte("doubtful")))
	middle.Await(t, "doubtful")

	// Gossip takes a moment to see that the middle must relay now: say it again, with an attempt.
	relayed := ""
	for k := 0; relayed == ""; k++ {
		m := fmt.Sprintf("good %d", k)
		must(t, n.Sites[0].Publish(t.Context(), []byte(m)))
		if last.arrives(m, 200*time.Millisecond) {
			relayed = m
		}
		if k > 100 {
			t.Fatal("the middle does not relay")
		}
	}
	if from := last.From(relayed); from != n.Sites[1].ID() {
		t.Errorf("came from %s, want the relayer", from)
	}
	if verdict == gossip.Accept {
		return // whether the early one came depends on when the relaying began
	}
	if last.Count("doubtful") != 0 {
		t.Errorf("relayed although the verdict was %v", verdict)
	}
	want := uint64(0)
	if verdict == gossip.Reject {
		want = 1
	}
	eventually(t, "the count of rejected messages", func() bool { return n.info(1, 0).Rejected == want })
	if got := n.info(2, 1).Rejected; got != 0 {
		t.Errorf("the relayer has %d rejects", got)
	}
}

func testOrder(t *testing.T, newMesh maker) {
	const messages = 200
	var a, b messageLog
	n := newMesh(t, a.Handler(), b.Handler())
	n.Meet(t)
	send := func(s, to *gossip.Mesh, k int) {
		for {
			err := s.Send(t.Context(), to.ID(), fmt.Appendf(nil, "%d", k))
			if !errors.Is(err, gossip.ErrFull) {
				must(t, err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	for k := range messages {
		send(n.Sites[0], n.Sites[1], k)
		send(n.Sites[1], n.Sites[0], k)
	}
	for name, l := range map[string]*messageLog{"first": &a, "second": &b} {
		eventually(t, "all messages", func() bool { return l.Len() >= messages })
		for k, m := range l.All() {
			if m != fmt.Sprint(k) {
				t.Fatalf("%s site: message %d is %q", name, k, m)
			}
		}
	}
}

func testRefusals(t *testing.T, newMesh maker) {
	in := newInbox()
	n := newMesh(t, newInbox().Handler(gossip.Accept), in.Handler(gossip.Accept))
	n.Meet(t)
	a, b := n.Sites[0], n.Sites[1]
	for _, size := range []int{0, gossip.MaxMessage + 1} {
		if err := a.Publish(t.Context(), make([]byte, size)); !errors.Is(err, gossip.ErrSize) {
			t.Errorf("publish %d bytes: %v", size, err)
		}
		if err := a.Send(t.Context(), b.ID(), make([]byte, size)); !errors.Is(err, gossip.ErrSize) {
			t.Errorf("send %d bytes: %v", size, err)
		}
	}
	big := bytes.Repeat([]byte("p"), gossip.MaxMessage)
	must(t, a.Publish(t.Context(), big))
	in.Await(t, string(big))
	copy(big, "s")
	must(t, a.Send(t.Context(), b.ID(), big))
	sent := string(big)
	clear(big) // the transport has its own copy
	in.Await(t, sent)
	for name, to := range map[string]peer.ID{"a stranger": stranger(t), "itself": a.ID()} {
		if err := a.Send(t.Context(), to, []byte("x")); !errors.Is(err, gossip.ErrStranger) {
			t.Errorf("send to %s: %v", name, err)
		}
	}
}

// testFull sends to a site whose handler stands still: the queue fills up, the sender is told, and
// others are not held up.
func testFull(t *testing.T, newMesh maker) {
	release := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	t.Cleanup(free) // before the sites are closed
	stuck := func(context.Context, peer.ID, []byte) gossip.Verdict {
		<-release
		return gossip.Accept
	}
	in := newInbox()
	n := newMesh(t, newInbox().Handler(gossip.Accept), stuck, in.Handler(gossip.Accept))
	t.Cleanup(free)
	n.Meet(t)
	data := make([]byte, 256<<10)
	full := false
	for k := 0; k < 4096 && !full; k++ {
		err := n.Sites[0].Send(t.Context(), n.Sites[1].ID(), data)
		if full = errors.Is(err, gossip.ErrFull); !full {
			must(t, err)
		}
	}
	if !full {
		t.Fatal("1 GiB is queued and the queue is not full")
	}
	if got := n.info(0, 1).Dropped; got == 0 {
		t.Error("the refused message is not counted")
	}
	must(t, n.Sites[0].Send(t.Context(), n.Sites[2].ID(), []byte("to another")))
	in.Await(t, "to another")
}

func testCut(t *testing.T, newMesh maker) {
	in := newInbox()
	n := newMesh(t, newInbox().Handler(gossip.Accept), in.Handler(gossip.Accept))
	a, b := n.Sites[0], n.Sites[1]
	events := a.Watch(t.Context())
	awaitEvent(t, events, gossip.Event{Peer: b.ID(), Connected: true})
	late := a.Watch(t.Context()) // begins with what is
	awaitEvent(t, late, gossip.Event{Peer: b.ID(), Connected: true})
	n.awaitLink(t, 1, 0, true)

	n.Cut(0, 1)
	awaitEvent(t, events, gossip.Event{Peer: b.ID()})
	n.awaitLink(t, 0, 1, false)
	n.awaitLink(t, 1, 0, false)
	_ = a.Send(t.Context(), b.ID(), []byte("lost")) // an error or not, but at once
	must(t, a.Publish(t.Context(), []byte("lost too")))
	eventually(t, "a dropped message", func() bool { return n.info(0, 1).Dropped > 0 })

	n.Mend(0, 1)
	awaitEvent(t, events, gossip.Event{Peer: b.ID(), Connected: true})
	n.awaitLink(t, 0, 1, true)
	n.awaitLink(t, 1, 0, true)
	must(t, a.Send(t.Context(), b.ID(), []byte("sent")))
	must(t, a.Publish(t.Context(), []byte("published")))
	in.Await(t, "sent")
	in.Await(t, "published")
	if in.Count("lost") != 0 {
		t.Error("a message crossed the cut")
	}
}

// testBan has a site reject what another sends until it has had enough.
func testBan(t *testing.T, newMesh maker) {
	n := newMesh(t,
		newInbox().Handler(gossip.Accept),
		func(context.Context, peer.ID, []byte) gossip.Verdict { return gossip.Reject },
	)
	n.Meet(t)
	for k := 0; n.info(1, 0).Banned.IsZero(); k++ {
		if k > 10000 {
			t.Fatal("never banned")
		}
		if err := n.Sites[0].Send(t.Context(), n.Sites[1].ID(), fmt.Appendf(nil, "%d", k)); errors.Is(err, gossip.ErrFull) {
			time.Sleep(time.Millisecond)
		}
	}
	n.awaitLink(t, 1, 0, false)
	n.awaitLink(t, 0, 1, false)
	if i := n.info(1, 0); i.Rejected < 10 || i.Banned.Before(time.Now()) {
		t.Errorf("%d rejects, banned until %v", i.Rejected, i.Banned)
	}
}
