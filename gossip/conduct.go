package gossip

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// conduct remembers who misbehaved. Time is an argument.
type conduct struct {
	mu    sync.Mutex
	peers map[peer.ID]*behaviour
}

type behaviour struct {
	strikes  int // not yet forgiven
	faded    time.Time
	rejected uint64 // ever
	dropped  uint64 // messages to the peer, ever
	bans     int
	banned   time.Time // until
}

func (c *conduct) of(p peer.ID) *behaviour {
	if c.peers == nil {
		c.peers = map[peer.ID]*behaviour{}
	}
	b := c.peers[p]
	if b == nil {
		b = &behaviour{}
		c.peers[p] = b
	}
	return b
}

// strike blames a peer. Fresh is whether all it did before is forgiven or it did nothing; banned
// is until when connections with it are refused from now on, or the zero time if this was not one
// too many.
func (c *conduct) strike(p peer.ID, weight int, now time.Time) (fresh bool, banned time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.of(p)
	b.rejected++
	if now.Before(b.banned) {
		return false, time.Time{} // what was still in flight
	}
	if faded := int(now.Sub(b.faded) / strikeFade); faded >= b.strikes {
		b.strikes, b.faded = 0, now
	} else {
		b.strikes -= faded
		b.faded = b.faded.Add(time.Duration(faded) * strikeFade)
	}
	fresh = b.strikes == 0
	b.strikes += weight
	if b.strikes <= maxStrikes {
		return fresh, time.Time{}
	}
	if now.Sub(b.banned) > banForget {
		b.bans = 0
	}
	b.banned = now.Add(min(banMin<<b.bans, banMax))
	b.bans = min(b.bans+1, 16)
	b.strikes = 0
	return fresh, b.banned
}

// drop counts n messages to p that were given up.
func (c *conduct) drop(p peer.ID, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(p).dropped += uint64(n)
}

// fill sets what PeerInfo says of the peer's conduct.
func (c *conduct) fill(i *PeerInfo, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.peers[i.ID]
	if b == nil {
		return
	}
	i.Rejected, i.Dropped = b.rejected, b.dropped
	if now.Before(b.banned) {
		i.Banned = b.banned
	}
}
