package node

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/round"
)

// mailbox is how the other goroutines reach the loop.
type mailbox struct {
	queue chan queued
	room  *semaphore.Weighted // for the bytes in the queue
	asks  chan func(*round.Machine)
	done  chan struct{} // closed when the loop has ended
}

// queued is an event that waits for the machine, and the bytes of the message that it came in.
type queued struct {
	event round.Event
	bytes int64
}

func newMailbox() *mailbox {
	return &mailbox{
		queue: make(chan queued, queueEvents), room: semaphore.NewWeighted(queueBytes),
		asks: make(chan func(*round.Machine)), done: make(chan struct{}),
	}
}

// deliver queues an event for the machine; false means that the node ends.
func (b *mailbox) deliver(ctx context.Context, ev round.Event) bool {
	return b.enqueue(ctx, queued{event: ev})
}

func (b *mailbox) enqueue(ctx context.Context, q queued) bool {
	select {
	case b.queue <- q:
		return true
	case <-b.done:
	case <-ctx.Done():
	}
	return false
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
