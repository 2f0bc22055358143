package gossip_test

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/gossip"
)

// inbox collects messages and counts how often each came.
type inbox struct {
	mu    sync.Mutex
	count map[string]int
	from  map[string]peer.ID
	news  chan struct{} // closed and replaced at each message
}

// newInbox returns an empty inbox.
func newInbox() *inbox {
	return &inbox{count: map[string]int{}, from: map[string]peer.ID{}, news: make(chan struct{})}
}

// Handler returns a handler that puts every message into the inbox and always gives one verdict.
func (b *inbox) Handler(v gossip.Verdict) gossip.Handler {
	return func(_ context.Context, from peer.ID, data []byte) gossip.Verdict {
		b.put(from, data)
		return v
	}
}

func (b *inbox) put(from peer.ID, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count[string(data)]++
	b.from[string(data)] = from
	close(b.news)
	b.news = make(chan struct{})
}

// Count returns how often a message came.
func (b *inbox) Count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count[what]
}

// All returns how often each message came.
func (b *inbox) All() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.count)
}

// From returns who brought a message last.
func (b *inbox) From(what string) peer.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.from[what]
}

// Await waits until a message has come.
func (b *inbox) Await(t *testing.T, what string) {
	t.Helper()
	if !b.arrives(what, patience) {
		t.Fatalf("%.40q does not come", what)
	}
}

func (b *inbox) arrives(what string, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		b.mu.Lock()
		n, news := b.count[what], b.news
		b.mu.Unlock()
		if n > 0 {
			return true
		}
		select {
		case <-news:
		case <-timer.C:
			return false
		}
	}
}

// messageLog collects messages in the order in which they came.
type messageLog struct {
	mu  sync.Mutex
	all []string
}

// Handler returns a handler that accepts every message.
func (l *messageLog) Handler() gossip.Handler {
	return func(_ context.Context, _ peer.ID, data []byte) gossip.Verdict {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, string(data))
		return gossip.Accept
	}
}

// Len returns how many messages came.
func (l *messageLog) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// All returns the messages.
func (l *messageLog) All() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// stranger returns the ID of a peer that is in no roster.
func stranger(t *testing.T) peer.ID {
	t.Helper()
	_, pub, err := crypto.GenerateEd25519Key(rand.Reader)
	must(t, err)
	id, err := peer.IDFromPublicKey(pub)
	must(t, err)
	return id
}

// Meet waits until every site is connected with every other.
func (n *testMesh) Meet(t *testing.T) {
	t.Helper()
	for i := range n.Sites {
		for j := range n.Sites {
			if i != j {
				n.awaitLink(t, i, j, true)
			}
		}
	}
}

// info returns what site i knows of site j.
func (n *testMesh) info(i, j int) gossip.PeerInfo {
	for _, p := range n.Sites[i].Peers() {
		if p.ID == n.Sites[j].ID() {
			return p
		}
	}
	return gossip.PeerInfo{}
}

func (n *testMesh) awaitLink(t *testing.T, i, j int, connected bool) {
	t.Helper()
	eventually(t, "the link", func() bool {
		p := n.info(i, j)
		return p.Connected == connected && p.Since.IsZero() != connected
	})
}

func awaitEvent(t *testing.T, events <-chan gossip.Event, want gossip.Event) {
	t.Helper()
	select {
	case got := <-events:
		if got != want {
			t.Fatalf("event %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("no event, want %+v", want)
	}
}
