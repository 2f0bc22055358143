package gossip

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// What one neighbour may bring to gossipsub, before anything is looked at: its queue of messages to judge is one for all. A relayer
// of a mesh of hundreds stays far below; what is dropped is not marked as seen, and asked for again.
const (
	inflowRate  = 4096 // messages a second
	inflowBurst = 4 * inflowRate
)

// inflow counts the messages that each neighbour publishes or relays.
type inflow struct {
	mu    sync.Mutex
	peers map[peer.ID]*rate.Limiter
}

// allow reports whether a neighbour may bring so many more.
func (f *inflow) allow(p peer.ID, messages int, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peers == nil {
		f.peers = map[peer.ID]*rate.Limiter{}
	}
	l := f.peers[p]
	if l == nil {
		l = rate.NewLimiter(inflowRate, inflowBurst)
		f.peers[p] = l
	}
	return l.AllowN(now, messages)
}
