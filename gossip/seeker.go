package gossip

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// seeker decides whom to dial and when. It knows no network; time is an argument.
//
// A site is dialed at once when its addresses become known, then after waits that double from
// dialMin to dialMax, each with a jitter of a quarter, until gossip flows over the connection. A
// connection that closes before that (the other side does not know us yet, say) is a failure like
// any other.
type seeker struct {
	self   peer.ID
	degree int

	mu    sync.Mutex
	rand  *rand.Rand
	sites map[peer.ID]*attempt
	order []peer.ID // in which sites are tried; random, so that a large mesh becomes a random graph
}

type attempt struct {
	state linkState
	known bool // there is an address to dial
	wait  time.Duration
	next  time.Time
	news  time.Time // when addresses last made it be dialed at once
}

type linkState int

const (
	apart linkState = iota
	dialing
	linked // connected; gossip not yet
	ready  // gossip flows
)

func newSeeker(self peer.ID, degree int, r *rand.Rand) *seeker {
	return &seeker{self: self, degree: degree, rand: r, sites: map[peer.ID]*attempt{}}
}

// setSites replaces the sites to be sought. Of new ones nothing is known.
func (s *seeker) setSites(sites []peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := make(map[peer.ID]*attempt, len(sites))
	s.order = s.order[:0]
	for _, p := range sites {
		if p == s.self || keep[p] != nil {
			continue
		}
		if keep[p] = s.sites[p]; keep[p] == nil {
			keep[p] = &attempt{wait: dialMin}
		}
		s.order = append(s.order, p)
	}
	s.sites = keep
	s.rand.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
}

// due returns whom to dial now, and marks them as being dialed; wake is when to ask again at the
// latest, zero if only an event can change the answer.
func (s *seeker) due(now time.Time) (dial []peer.ID, wake time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy, dials := 0, 0
	for _, a := range s.sites {
		if a.state != apart {
			busy++
		}
		if a.state == dialing {
			dials++
		}
	}
	for _, p := range s.order {
		a := s.sites[p]
		if busy >= s.degree || dials >= maxDials {
			return dial, time.Time{} // until a connection or a dial ends
		}
		if a.state != apart || !a.known {
			continue
		}
		if now.Before(a.next) {
			if wake.IsZero() || a.next.Before(wake) {
				wake = a.next
			}
			continue
		}
		a.state = dialing
		busy++
		dials++
		dial = append(dial, p)
	}
	return dial, wake
}

// learnt says that p has an address, or a new one. Who names new ones all the time does not have
// this site knock at each. If it came by gossip then ours has reached p too, and the one with
// the smaller ID dials first.
func (s *seeker) learnt(p peer.ID, byGossip bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.sites[p]
	if a == nil {
		return
	}
	a.known = true
	if now.Sub(a.news) < dialNews {
		return
	}
	a.wait, a.next, a.news = dialMin, now, now
	if byGossip && s.self > p {
		a.next = now.Add(dialHead)
	}
}

// ended says that a dial is over. Where it succeeded the connection has been reported already.
func (s *seeker) ended(p peer.ID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.sites[p]; a != nil && a.state == dialing {
		s.apart(a, now)
	}
}

// set says how far the connection with p is, and returns how far it was.
func (s *seeker) set(p peer.ID, to linkState, now time.Time) (was linkState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.sites[p]
	if a == nil || a.state == to {
		return to
	}
	was = a.state
	if to == ready || a.state == ready {
		a.wait = dialMin
	}
	if a.state = to; to == apart {
		s.apart(a, now)
	}
	return was
}

func (s *seeker) apart(a *attempt, now time.Time) {
	a.state = apart
	a.next = now.Add(a.wait*3/4 + time.Duration(s.rand.Int64N(int64(a.wait/2))))
	a.wait = min(2*a.wait, dialMax)
}
