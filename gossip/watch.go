package gossip

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// watchers passes events on to any number of readers, each at its own pace.
type watchers struct {
	life *life
	mu   sync.Mutex
	all  map[*watcher]struct{}
}

// watcher holds what one reader has not seen: at most one event per peer, the newest.
type watcher struct {
	order   []peer.ID
	pending map[peer.ID]bool
	wake    chan struct{}
}

// watch begins with a Connected event for each of the connected peers. The caller holds the lock
// under which it calls notify, so that nothing falls between.
func (w *watchers) watch(ctx context.Context, connected []peer.ID) <-chan Event {
	r := &watcher{pending: map[peer.ID]bool{}, wake: make(chan struct{}, 1)}
	for _, p := range connected {
		r.put(p, true)
	}
	out := make(chan Event)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.life.spawn(func() { w.serve(ctx, r, out) }) {
		close(out)
		return out
	}
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[r] = struct{}{}
	return out
}

func (w *watchers) notify(p peer.ID, connected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.all {
		r.put(p, connected)
	}
}

func (r *watcher) put(p peer.ID, connected bool) {
	if _, ok := r.pending[p]; !ok {
		r.order = append(r.order, p)
	}
	r.pending[p] = connected
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (w *watchers) take(r *watcher) (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(r.order) == 0 {
		return Event{}, false
	}
	p := r.order[0]
	r.order = r.order[1:]
	e := Event{p, r.pending[p]}
	delete(r.pending, p)
	return e, true
}

func (w *watchers) serve(ctx context.Context, r *watcher, out chan<- Event) {
	defer func() {
		w.mu.Lock()
		delete(w.all, r)
		w.mu.Unlock()
		close(out)
	}()
	for {
		e, ok := w.take(r)
		if !ok {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			case <-w.life.ctx.Done():
				return
			}
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return
		case <-w.life.ctx.Done():
			return
		}
	}
}
