package gossip

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Verdict is what a Handler thinks of a message.
type Verdict int

const (
	// Ignore: not (yet) of use here. A published message is not relayed; its relayer is not blamed.
	Ignore Verdict = iota
	// Accept: good. A published message is relayed.
	Accept
	// Reject: no correct site passes this on. A published message is not relayed, and whoever sent it is blamed.
	Reject
)

// String returns the verdict's name.
func (v Verdict) String() string {
	switch v {
	case Ignore:
		return "ignore"
	case Accept:
		return "accept"
	case Reject:
		return "reject"
	}
	return "unknown"
}

// Handler judges a message that arrived. From is the site that it came from, which the connection
// proves; of a published message that is the relayer, seldom the author. A handler may keep data
// but must not change it. It is called from several goroutines and must not block: while it does,
// messages wait, and past a bound they are dropped. It may call Publish and Send.
type Handler func(ctx context.Context, from peer.ID, data []byte) Verdict

// Event says that a site can be reached now, or no longer.
type Event struct {
	Peer      peer.ID
	Connected bool
}

// PeerInfo is what this site knows of another one.
type PeerInfo struct {
	ID        peer.ID
	Connected bool                  // what this site publishes goes there directly
	Inbound   bool                  // the other side dialed (where connected)
	Since     time.Time             // connected since; zero where not
	RTT       time.Duration         // smoothed round trip; 0 if not yet measured
	Addrs     []multiaddr.Multiaddr // where to dial it; the address in use first
	Failure   string                // why it could not be reached when it was dialed last; empty where connected
	Rejected  uint64                // messages and frames from it that no correct site sends
	Dropped   uint64                // messages to it that were given up: queue full or connection broken
	Banned    time.Time             // connections refused until then for misbehaviour; zero where not
	Twin      bool                  // two machines use its key, by all appearances
}
