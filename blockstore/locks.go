package blockstore

import (
	"sync"

	"github.com/weft-mesh/weft/block"
)

// keyedMutex lets goroutines change different things at once, but one thing one at a time.
type keyedMutex [64]sync.Mutex

// lock locks c's mutex. Blocks of one directory share one.
func (k *keyedMutex) lock(c block.CID) (unlock func()) {
	d := c.Digest()
	m := &k[d[0]%64]
	m.Lock()
	return m.Unlock
}

// handle is a Writer or Builder that closing the store ends.
type handle interface{ shut() error }

// handles is those that have not ended. Its lock is held for no other's and no system call.
type handles struct {
	mu     sync.Mutex
	closed bool
	open   map[handle]bool
}

// add returns ErrClosed once the store was closed.
func (h *handles) add(x handle) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if h.open == nil {
		h.open = make(map[handle]bool)
	}
	h.open[x] = true
	return nil
}

func (h *handles) remove(x handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, x)
}

// close takes no more handles, and returns those that are open.
func (h *handles) close() (left []handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for x := range h.open {
		left = append(left, x)
	}
	return left
}
