package gossip

import "sync"

// lane is a bounded queue that one goroutine works off in order. The goroutine lives only while
// there is work, so that a mesh of hundreds of silent sites costs nothing.
//
// A full lane refuses the newest item instead of dropping the oldest: what is queued keeps its
// order without holes, and the sender learns of it at once and can say something newer later.
type lane[T interface{ size() int }] struct {
	life *life
	work func(T)

	mu      sync.Mutex
	items   []T
	bytes   int
	working bool
}

func newLane[T interface{ size() int }](l *life, work func(T)) *lane[T] {
	return &lane[T]{life: l, work: work}
}

// push queues an item. It returns ErrFull or ErrClosed.
func (l *lane[T]) push(item T) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.items) >= maxQueued || len(l.items) > 0 && l.bytes+item.size() > maxQueuedBytes {
		return ErrFull
	}
	if !l.working {
		if !l.life.spawn(l.drain) {
			return ErrClosed
		}
		l.working = true
	}
	l.items = append(l.items, item)
	l.bytes += item.size()
	return nil
}

func (l *lane[T]) drain() {
	for {
		item, ok := l.pop()
		if !ok {
			return
		}
		l.work(item)
	}
}

func (l *lane[T]) pop() (item T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.items) == 0 || l.life.ctx.Err() != nil {
		l.items, l.bytes, l.working = nil, 0, false
		return item, false
	}
	item = l.items[0]
	var zero T
	l.items[0] = zero // let the collector have it
	l.items = l.items[1:]
	l.bytes -= item.size()
	return item, true
}

// clear drops what is queued and returns how many items that were.
func (l *lane[T]) clear() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.items)
	l.items, l.bytes = nil, 0
	return n
}
