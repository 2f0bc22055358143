package gossip

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// A site that has moved changes its address once. A key that two machines use changes it back and forth: a peer has one place in
// the mesh, and each of the two takes it from the other.

const (
	// backAndForth is in what time an address must have changed twice, and come back, for two machines to be likely.
	backAndForth = time.Minute
	// twinFor is for how long that is told.
	twinFor = 5 * time.Minute
)

// moves are the addresses from which each key has connected lately.
type moves struct {
	mu    sync.Mutex
	lists map[origin][]move // the newest last
	twins map[peer.ID]time.Time
}

// origin is a key, by one version of IP: a site may well use both.
type origin struct {
	peer peer.ID
	v4   bool
}

type move struct {
	ip string
	at time.Time // when it was seen first, after another
}

func newMoves() *moves { return &moves{lists: map[origin][]move{}, twins: map[peer.ID]time.Time{}} }

// note takes the address of a new connection.
func (m *moves) note(p peer.ID, remote multiaddr.Multiaddr, now time.Time) {
	ip, err := manet.ToIP(remote)
	if err != nil {
		return // of no IP
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	from := origin{p, ip.To4() != nil}
	list := m.lists[from]
	if n := len(list); n > 0 && list[n-1].ip == ip.String() {
		return
	}
	list = append(list, move{ip.String(), now})
	list = list[max(0, len(list)-3):] // in which two changes can be seen
	m.lists[from] = list
	if len(list) == 3 && list[0].ip == list[2].ip && list[2].at.Sub(list[1].at) <= backAndForth {
		m.twins[p] = now
	}
}

// twin reports whether two machines used a key lately, by all appearances.
func (m *moves) twin(p peer.ID, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, seen := m.twins[p]
	return seen && now.Sub(at) < twinFor
}

// retain forgets the keys that are no longer admitted.
func (m *moves) retain(admitted func(peer.ID) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for from := range m.lists {
		if !admitted(from.peer) {
			delete(m.lists, from)
			delete(m.twins, from.peer)
		}
	}
}
