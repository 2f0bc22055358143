// Package conduct remembers who misbehaved, and says when it is too much. Nodes and the simulator ban by it; time is an argument.
package conduct

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// How grave a misdeed is.
const (
	Message = 1 // a message that no correct site sends or passes on
	Frame   = 4 // bytes that are not of the protocol
)

// Who misbehaves is blamed; blame fades; too much of it and connections are refused for a while,
// each time longer. A correct relayer judges a message before it passes it on, so it is never
// blamed for another's message, and a few strikes only forgive what was in flight while the ledger moved.
const (
	maxStrikes = 16               // more than these and the peer is banned
	strikeFade = 10 * time.Second // one strike is forgiven after so long
	banMin     = 30 * time.Second
	banMax     = time.Hour
	banForget  = 2 * time.Hour // good conduct after which the next ban is a short one again
)

// Conduct is that of all peers of a site. The zero value is ready for use, by several goroutines.
type Conduct struct {
	mu    sync.Mutex
	peers map[peer.ID]*behaviour
}

type behaviour struct {
	Record
	strikes int // not yet forgiven
	faded   time.Time
	bans    int
}

// Record is what a site remembers of a peer's conduct.
type Record struct {
	Rejected uint64    // misdeeds, ever
	Dropped  uint64    // messages to the peer that were given up, ever
	Banned   time.Time // until then
}

func (c *Conduct) of(p peer.ID) *behaviour {
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

// Strike blames a peer. Fresh is whether all it did before is forgiven or it did nothing; banned
// is until when connections with it are refused from now on, or the zero time if this was not one
// too many.
func (c *Conduct) Strike(p peer.ID, weight int, now time.Time) (fresh bool, banned time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.of(p)
	b.Rejected++
	if now.Before(b.Banned) {
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
	if now.Sub(b.Banned) > banForget {
		b.bans = 0
	}
	b.Banned = now.Add(min(banMin<<b.bans, banMax))
	b.bans = min(b.bans+1, 16)
	b.strikes = 0
	return fresh, b.Banned
}

// Drop counts n messages to p that were given up.
func (c *Conduct) Drop(p peer.ID, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(p).Dropped += uint64(n)
}

// Of returns what is remembered of a peer.
func (c *Conduct) Of(p peer.ID) Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.peers[p]; b != nil {
		return b.Record
	}
	return Record{}
}
