package gossip

import (
	"context"
	"sync"
)

// life counts what runs on behalf of a transport, so that Close can end and await it.
type life struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newLife() *life {
	ctx, cancel := context.WithCancel(context.Background())
	return &life{ctx: ctx, cancel: cancel}
}

// enter admits the caller, who must then call leave, unless the life has ended.
func (l *life) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Add(1)
	return true
}

func (l *life) leave() { l.wg.Done() }

// spawn runs f in a goroutine unless the life has ended.
func (l *life) spawn(f func()) bool {
	if !l.enter() {
		return false
	}
	go func() {
		defer l.leave()
		f()
	}()
	return true
}

// end lets nobody in any more and cancels the context.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cancel()
}

// wait returns when all who entered have left; call it after end.
func (l *life) wait() { l.wg.Wait() }
