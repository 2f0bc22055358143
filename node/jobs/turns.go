package jobs

import (
	"context"
	"slices"
	"sync"

	"github.com/weft-mesh/weft/block"
)

// turns hand out the trainer, for a task at a time of each run, and for as many runs at a time as it has processes for. Of those who
// wait, the one goes first whose round was opened first in the ledger: that order is the same at all sites, so that of two runs which
// both need every site all train the same one first. A turn is held while the trainer works, never while this site waits for others,
// so that whatever the order is, each turn ends by itself, and no two sites can wait for each other.
type turns struct {
	mu    sync.Mutex
	free  int
	busy  map[block.CID]bool // runs that have a turn
	queue []*turn            // who waits, in order
}

// turn is one that is waited for.
type turn struct {
	run     block.CID
	opened  uint64
	granted chan struct{} // closed once it is
}

func newTurns(n int) *turns { return &turns{free: n, busy: map[block.CID]bool{}} }

// take waits for a turn of a run for a round that was opened at a height, 0 for what somebody waits for, and returns how to end it.
func (t *turns) take(ctx context.Context, run block.CID, opened uint64) (leave func(), err error) {
	own := &turn{run, opened, make(chan struct{})}
	leave = sync.OnceFunc(func() { t.leave(own) })
	t.enter(own)
	select {
	case <-own.granted:
		return leave, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// enter has a turn waited for.
func (t *turns) enter(own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.queue, func(o *turn) bool { return o.opened > own.opened })
	if at < 0 {
		at = len(t.queue)
	}
	t.queue = slices.Insert(t.queue, at, own)
	t.grant()
}

// leave ends a turn, or the wait for it.
func (t *turns) leave(own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := slices.Index(t.queue, own); at >= 0 {
		t.queue = slices.Delete(t.queue, at, at+1)
		return
	}
	t.free++
	delete(t.busy, own.run)
	t.grant()
}

// grant gives the first in the queue their turns. The mutex is held.
func (t *turns) grant() {
	t.queue = slices.DeleteFunc(t.queue, func(next *turn) bool {
		if t.free == 0 || t.busy[next.run] {
			return false
		}
		t.free--
		if next.run.Defined() {
			t.busy[next.run] = true
		}
		close(next.granted)
		return true
	})
}
