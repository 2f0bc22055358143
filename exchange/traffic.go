package exchange

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Stats is what an exchange moved since New.
type Stats struct {
	Peers map[peer.ID]PeerStats // with whom blocks were exchanged
	Total PeerStats
}

// PeerStats is what was exchanged with one peer.
type PeerStats struct {
	Sent     Count
	Received Count
	Unused   Count // part of Received that came after the same block from another, or a cancel
}

// traffic counts; its zero value needs a map.
type traffic struct {
	mu    sync.Mutex
	peers map[peer.ID]*PeerStats
	total PeerStats
}

// both returns the counts that a transfer with id goes into, with the lock held.
func (t *traffic) both(id peer.ID) [2]*PeerStats {
	p := t.peers[id]
	if p == nil {
		p = new(PeerStats)
		t.peers[id] = p
	}
	return [2]*PeerStats{p, &t.total}
}

func (t *traffic) sent(id peer.ID, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.both(id) {
		s.Sent.add(n)
	}
}

func (t *traffic) received(id peer.ID, n int, used bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.both(id) {
		s.Received.add(n)
		if !used {
			s.Unused.add(n)
		}
	}
}

// Stats returns the blocks and bytes sent and received so far, by peer and in all.
func (x *Exchange) Stats() Stats {
	t := &x.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Stats{Peers: make(map[peer.ID]PeerStats, len(t.peers)), Total: t.total}
	for id, p := range t.peers {
		s.Peers[id] = *p
	}
	return s
}
