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

// Transport carries messages between the sites of one mesh. Everything is best effort: a nil
// error means that a message is on its way, not that it will arrive.
type Transport interface {
	// ID returns this site.
	ID() peer.ID
	// Publish sends data, 1 to MaxMessage bytes, to every site of the mesh but this one. Each gets
	// it once, however often equal bytes are published within two minutes; to say the same thing
	// again, say it with other bytes.
	Publish(ctx context.Context, data []byte) error
	// Send queues data, 1 to MaxMessage bytes, for one site and returns at once. What is sent to one
	// site arrives in order, with gaps where the connection broke; a message that was being written
	// when it broke may arrive twice. The newest is refused with ErrFull when the queue is.
	Send(ctx context.Context, to peer.ID, data []byte) error
	// Peers returns every site of the mesh but this one, ascending by ID.
	Peers() []PeerInfo
	// Watch returns which sites connect and disconnect from now on, after one event for each that is
	// connected already. The channel is closed when ctx or the transport ends. It forgets nothing
	// that matters and holds at most one event per site: to a slow reader, a site that went and came
	// back is one more Connected event.
	Watch(ctx context.Context) <-chan Event
}

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
}
