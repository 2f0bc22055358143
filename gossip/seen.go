package gossip

import (
	"sync"
	"time"

	"github.com/zeebo/blake3"
)

// seen remembers messages by their hash for seenFor to twice as long.
type seen struct {
	mu       sync.Mutex
	turned   time.Time
	now, old map[[32]byte]struct{}
}

// first reports whether data is new, and remembers it.
func (s *seen) first(data []byte, now time.Time) bool {
	d := blake3.Sum256(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch age := now.Sub(s.turned); {
	case age >= 2*seenFor:
		s.old, s.now, s.turned = nil, map[[32]byte]struct{}{}, now
	case age >= seenFor:
		s.old, s.now, s.turned = s.now, map[[32]byte]struct{}{}, now
	}
	_, before := s.old[d]
	_, lately := s.now[d]
	if before || lately {
		return false
	}
	s.now[d] = struct{}{}
	return true
}
