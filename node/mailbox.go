package node

import (
	"context"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/round"
)

// mailbox is how the other goroutines reach the loop.
type mailbox struct {
	queue *queue
	asks  chan func(*round.Machine)
	done  chan struct{} // closed when the loop has ended
}

func newMailbox() *mailbox {
	return &mailbox{queue: newQueue(queueEvents, queueBytes), asks: make(chan func(*round.Machine)), done: make(chan struct{})}
}

// deliver queues what has happened at this site; false means that the node ends.
func (b *mailbox) deliver(ctx context.Context, ev round.Event) bool {
	select {
	case <-b.done:
		return false
	default:
	}
	if ctx.Err() != nil {
		return false
	}
	b.queue.put(ev)
	return true
}

// ask runs f on the loop's goroutine, where the machine may be read, and waits for it.
func (b *mailbox) ask(ctx context.Context, f func(*round.Machine)) error {
	asked := make(chan struct{})
	select {
	case b.asks <- func(m *round.Machine) { f(m); close(asked) }:
	case <-b.done:
		return api.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	<-asked
	return nil
}

// tell runs f on the loop's goroutine, unless that has ended.
func (b *mailbox) tell(f func(*round.Machine)) {
	select {
	case b.asks <- f:
	case <-b.done:
	}
}
