package gossip

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// What one neighbour may bring to gossipsub, before anything of it is looked at: messages that wait to be judged share one queue.
// Each site of the mesh says a few dozen things a second at most, and any neighbour may pass on what they say. What is dropped is not
// marked as seen, and asked for again.
const (
	inflowLeast = 256      // messages a second
	inflowSite  = 64       // and for each site of the mesh
	inflowBytes = 16 << 10 // bytes a second for each message
	inflowBurst = 4        // seconds of both at once
)

// inflow counts what each neighbour publishes or relays.
type inflow struct {
	mu    sync.Mutex
	peers map[peer.ID]*flow
}

type flow struct{ messages, bytes *rate.Limiter }

// allow reports whether a neighbour may bring so many more messages, of so many bytes, in a mesh of so many sites.
func (f *inflow) allow(p peer.ID, messages, bytes, sites int, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peers == nil {
		f.peers = map[peer.ID]*flow{}
	}
	l, most := f.peers[p], inflowLeast+inflowSite*sites
	if l == nil || l.messages.Burst() != inflowBurst*most {
		l = &flow{rate.NewLimiter(rate.Limit(most), inflowBurst*most), rate.NewLimiter(rate.Limit(most*inflowBytes), inflowBurst*most*inflowBytes)}
		f.peers[p] = l
	}
	return l.messages.AllowN(now, messages) && l.bytes.AllowN(now, bytes)
}
