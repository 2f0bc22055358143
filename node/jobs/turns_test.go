package jobs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/weft-mesh/weft/block"
)

// wait returns once so many wait for a turn.
func (t *turns) wait(tt *testing.T, n int) {
	eventually(tt, fmt.Sprint(n, " in the queue"), func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return len(t.queue) == n
	})
}

// TestTurns: who waits is served in the order of the openings, whenever it came; a run has one turn at a time.
func TestTurns(t *testing.T) {
	run := func(name string) block.CID { return block.Sum(block.DagCBOR, []byte(name)) }
	for atOnce, want := range map[int][]string{
		1: {"operator", "a 3", "a 4", "b 5", "c 9"},
		2: {"operator", "a 3", "b 5", "a 4", "c 9"}, // when the operator's ends, a has one already
	} {
		ts := newTurns(atOnce)
		held := make([]func(), atOnce)
		for i := range held {
			leave, err := ts.take(t.Context(), run(fmt.Sprint("held ", i)), 7)
			if err != nil {
				t.Fatal(err)
			}
			held[i] = leave
		}
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		next := map[string]chan struct{}{}
		for i, w := range []struct {
			name, run string
			opened    uint64
		}{{"c 9", "c", 9}, {"a 4", "a", 4}, {"b 5", "b", 5}, {"a 3", "a", 3}, {"operator", "", 0}} {
			next[w.name] = make(chan struct{})
			id := block.CID{}
			if w.run != "" {
				id = run(w.run)
			}
			wg.Go(func() {
				leave, err := ts.take(t.Context(), id, w.opened)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, w.name)
				mu.Unlock()
				<-next[w.name]
				leave()
				leave() // which does nothing
			})
			ts.wait(t, i+1)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := ts.take(cancelled, run("gone"), 1); gone <- err }()
		ts.wait(t, 6)
		cancel()
		if err := <-gone; err == nil {
			t.Error("a turn for who has left the queue")
		}
		for _, leave := range held {
			leave()
		}
		for i, name := range want {
			now := min(len(want), i+atOnce)
			eventually(t, fmt.Sprint(now, " turns"), func() bool { mu.Lock(); defer mu.Unlock(); return len(order) == now })
			close(next[name])
		}
		wg.Wait()
		slices.Sort(order[:atOnce]) // which had theirs at the same moment
		if slices.Sort(want[:atOnce]); !slices.Equal(order, want) {
			t.Errorf("%d at once: %v, want %v", atOnce, order, want)
		}
		if len(ts.busy) != 0 || ts.free != atOnce {
			t.Errorf("left over: %d free of %d, %v", ts.free, atOnce, ts.busy)
		}
	}
}
