package gossip

import (
	"context"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// links knows how far the connection with each peer is. A peer counts as connected when what is
// published here goes to it: there is a connection, gossip's stream to it is open, and it has
// said over its own that it takes the mesh's topic.
type links struct {
	watchers watchers
	changed  func(peer.ID, linkState) // called under the lock

	mu    sync.Mutex
	peers map[peer.ID]*link
}

type link struct {
	up       bool // there is a connection
	writable bool // gossip's stream to it is open
	joined   bool // it takes the topic
	since    time.Time
	dull     int // turns of care without gossip
}

func (l *link) state() linkState {
	switch {
	case !l.up:
		return apart
	case l.writable && l.joined:
		return ready
	}
	return linked
}

func newLinks(life *life, changed func(peer.ID, linkState)) *links {
	return &links{watchers: watchers{life: life}, changed: changed, peers: map[peer.ID]*link{}}
}

// update changes what is known of p's connection and tells who wants to know.
func (l *links) update(p peer.ID, now time.Time, change func(*link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.peers[p]
	if k == nil {
		k = &link{}
	}
	was := k.state()
	change(k)
	is := k.state()
	if was != is {
		k.since, k.dull = time.Time{}, 0
		if is == ready {
			k.since = now
		}
		if is == ready || was == ready {
			l.watchers.notify(p, is == ready)
		}
		l.changed(p, is)
	}
	if l.peers[p] = k; *k == (link{}) {
		delete(l.peers, p)
	}
}

// tell calls f with how far the connection with p is, which does not change meanwhile.
func (l *links) tell(p peer.ID, f func(linkState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.peers[p]; k != nil {
		f(k.state())
		return
	}
	f(apart)
}

// ready returns since when gossip flows to each peer to which it does.
func (l *links) ready() map[peer.ID]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := make(map[peer.ID]time.Time, len(l.peers))
	for p, k := range l.peers {
		if k.state() == ready {
			m[p] = k.since
		}
	}
	return m
}

// dull counts a turn of care for each connected peer without gossip and returns them.
func (l *links) dull() map[peer.ID]link {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := map[peer.ID]link{}
	for p, k := range l.peers {
		if k.state() == linked {
			k.dull++
			m[p] = *k
		}
	}
	return m
}

// watch is Mesh.Watch.
func (l *links) watch(ctx context.Context) <-chan Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var connected []peer.ID
	for p, k := range l.peers {
		if k.state() == ready {
			connected = append(connected, p)
		}
	}
	return l.watchers.watch(ctx, connected)
}
