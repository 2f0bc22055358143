package node

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	headStart   = 500 * time.Millisecond // in which an update is asked of its owner alone
	askAgainMin = 500 * time.Millisecond // before sites that lack a block are asked again; doubles
	askAgainMax = 15 * time.Second
)

// reach is which other sites are connected, and tells fetches of those who come.
type reach struct {
	mu       sync.Mutex
	up       map[peer.ID]bool
	gone     map[peer.ID]time.Time // since when who was connected is not
	awaiting map[chan<- peer.ID]struct{}
}

func newReach() *reach {
	return &reach{up: map[peer.ID]bool{}, gone: map[peer.ID]time.Time{}, awaiting: map[chan<- peer.ID]struct{}{}}
}

func (r *reach) set(p peer.ID, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !up {
		if r.up[p] {
			r.gone[p] = time.Now()
		}
		delete(r.up, p)
		return
	}
	r.up[p] = true
	delete(r.gone, p)
	for c := range r.awaiting {
		select {
		case c <- p:
		default: // it looks at all again soon
		}
	}
}

// list returns the connected sites, in order.
func (r *reach) list() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.up))
}

func (r *reach) has(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up[p]
}

// left returns since when a site that was connected is not.
func (r *reach) left(p peer.ID) (since time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, ok = r.gone[p]
	return since, ok
}

// providers yields, on the returned channel, the connected sites and those that connect later, all of
// them again every now and then, until ctx ends. First, if it is one of them, has a head start: it has what
// is wanted, while the others would only be asked in vain, or send what is on its way already.
func (r *reach) providers(ctx context.Context, first peer.ID, self peer.ID) <-chan peer.ID {
	out, come := make(chan peer.ID), make(chan peer.ID, 16)
	r.mu.Lock()
	r.awaiting[come] = struct{}{}
	r.mu.Unlock()
	go func() {
		defer func() {
			r.mu.Lock()
			delete(r.awaiting, come)
			r.mu.Unlock()
			close(out)
		}()
		if first != self && r.has(first) {
			select {
			case out <- first:
			case <-ctx.Done():
				return
			}
			if !relay(ctx, come, out, headStart) {
				return
			}
		}
		wait := askAgainMin
		for {
			list := r.list()
			if first != "" && first != self {
				list = append([]peer.ID{first}, slices.DeleteFunc(list, func(p peer.ID) bool { return p == first })...)
			}
			for _, p := range list {
				select {
				case out <- p:
				case <-ctx.Done():
					return
				}
			}
			if !relay(ctx, come, out, wait) {
				return
			}
			wait = min(2*wait, askAgainMax)
		}
	}()
	return out
}

// relay passes on who comes until it is time to look at all again; false means that ctx has ended.
func relay(ctx context.Context, come <-chan peer.ID, out chan<- peer.ID, wait time.Duration) bool {
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case p := <-come:
			select {
			case out <- p:
			case <-ctx.Done():
				return false
			}
		case <-again.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
