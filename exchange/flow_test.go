package exchange

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/semaphore"

	"github.com/weft-mesh/weft/block"
)

// TestStalledPut: a fetch whose Put stalls neither grows nor stops another from the same provider.
func TestStalledPut(t *testing.T) {
	const size = 256 << 10
	blocks, others := someBlocks(1, 200, size), someBlocks(2, 60, size)
	h := loopback(t, 2)
	a := start(t, h[0], newMemory(append(blocks, others...)...))
	b := start(t, h[1], newMemory(), func(c *Config) { c.Memory = 12 << 20; c.Workers = 2 })
	var peak atomic.Int64
	watch := func() {
		b.board.mu.Lock()
		defer b.board.mu.Unlock()
		peak.Store(max(peak.Load(), b.board.inUse))
	}
	held := newGate()
	defer held.open()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer held.open()
	var puts atomic.Int32
	wg.Go(func() {
		_, err := b.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{a.id()}, Put: func(bl block.Verified) error {
			puts.Add(1)
			held.wait()
			watch()
			return b.store.take(bl)
		}})
		if err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the first stands still", func() bool {
		b.board.mu.Lock()
		defer b.board.mu.Unlock()
		p := b.board.providers[a.id()]
		return p != nil && len(p.asks) == 0 && b.board.starved && b.board.inUse > 1<<20
	})
	store := newMemory()
	st, err := b.Fetch(testContext(t), Request{Want: cidsOf(others), Providers: []peer.ID{a.id()}, Put: func(bl block.Verified) error {
		watch()
		return store.take(bl)
	}})
	if err != nil || st.Blocks != len(others) {
		t.Fatalf("%d blocks, %v", st.Blocks, err)
	}
	if n := puts.Load(); n != 2 {
		t.Errorf("%d Puts at once, want 2", n)
	}
	if sent := a.Stats().Total.Sent.Bytes - st.Bytes; sent > b.cfg.Memory {
		t.Errorf("%d bytes sent to a fetch that stands still", sent)
	}
	held.open()
	wg.Wait()
	if peak.Load() > b.cfg.Memory {
		t.Errorf("%d bytes in use, at most %d", peak.Load(), b.cfg.Memory)
	}
	b.board.mu.Lock()
	defer b.board.mu.Unlock()
	if b.board.inUse != 0 || !b.held.TryAcquire(b.cfg.Memory) {
		t.Errorf("%d bytes in use at the end", b.board.inUse)
	}
}

// TestSharedStall: of two fetches of the same blocks, the Put of one stalls, and the other ends.
func TestSharedStall(t *testing.T) {
	blocks := someBlocks(1, 100, 256<<10)
	h := loopback(t, 2)
	started, held := newGate(), newGate()
	defer held.open()
	served := newMemory(blocks...)
	served.onGet = func(block.CID) { started.wait() }
	a := start(t, h[0], served)
	b := start(t, h[1], newMemory(), func(c *Config) { c.Memory = 12 << 20 })
	var wg sync.WaitGroup
	defer wg.Wait()
	defer held.open()
	defer started.open()
	fetch := func(store *memory, before func()) {
		_, err := b.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{a.id()}, Put: func(bl block.Verified) error {
			before()
			return store.take(bl)
		}})
		if err != nil {
			t.Error(err)
		}
		if len(store.blocks) != len(blocks) {
			t.Errorf("%d of %d blocks", len(store.blocks), len(blocks))
		}
	}
	wg.Go(func() { fetch(newMemory(), held.wait) })
	wg.Go(func() {
		defer held.open()
		eventually(t, "the other is first", func() bool {
			b.board.mu.Lock()
			defer b.board.mu.Unlock()
			return len(b.board.wants) == len(blocks)
		})
		fetch(newMemory(), func() {
			b.board.mu.Lock()
			defer b.board.mu.Unlock()
			if b.board.inUse > b.cfg.Memory {
				t.Errorf("%d bytes in use", b.board.inUse)
			}
		})
	})
	eventually(t, "both wait", func() bool {
		b.board.mu.Lock()
		defer b.board.mu.Unlock()
		p := b.board.providers[a.id()]
		return p != nil && len(p.lanes) == 2
	})
	started.open()
	wg.Wait()
}

// TestSurprise: blocks far larger than guessed wait at the door instead of growing the process.
func TestSurprise(t *testing.T) {
	small, large := someBlocks(1, 300, 100), someBlocks(2, 12, block.MaxSize-2)
	h := loopback(t, 2)
	a := start(t, h[0], newMemory(append(small, large...)...))
	b := start(t, h[1], newMemory(), func(c *Config) { c.Memory = 2 * block.MaxSize; c.Workers = 1 })
	var most atomic.Int64
	_, err := b.Fetch(testContext(t), Request{Want: cidsOf(append(small, large...)), Providers: []peer.ID{a.id()}, Put: func(bl block.Verified) error {
		for n := int64(0); ; n += block.MaxSize { // what is held, seen from what is free
			if !b.held.TryAcquire(block.MaxSize) {
				most.Store(max(most.Load(), b.cfg.Memory-n))
				b.held.Release(n)
				return b.store.take(bl)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.store.same(t, append(small, large...))
	if most.Load() == 0 {
		t.Error("the door was never shut: the test shows nothing")
	}
}

// TestUnavailableDoesNotBlock: a block that nobody has does not hold up the others.
func TestUnavailableDoesNotBlock(t *testing.T) {
	blocks := someBlocks(1, 50, 100)
	h := loopback(t, 2)
	a, b := start(t, h[0], newMemory(blocks...)), start(t, h[1], newMemory())
	want := append(someCIDs(30), cidsOf(blocks)...)
	more := make(chan peer.ID)
	var puts atomic.Int32
	st, err := b.Fetch(testContext(t), Request{Want: want, Providers: []peer.ID{a.id()}, More: more, Put: func(block.Verified) error {
		if puts.Add(1) == 50 {
			close(more)
		}
		return nil
	}})
	var u *Unavailable
	if !errors.As(err, &u) || len(u.Missing) != 30 || st.Blocks != 50 {
		t.Errorf("%d blocks, %v", st.Blocks, err)
	}
}

// TestUrgent: an urgent fetch overtakes a bulk one at the provider.
func TestUrgent(t *testing.T) {
	blocks, entry := someBlocks(1, 30, 1000), someBlocks(2, 1, 100)
	h := loopback(t, 2)
	held, at := newGate(), newGate()
	defer held.open()
	store := newMemory(append(blocks, entry...)...)
	var order []block.CID
	store.onGet = func(c block.CID) {
		at.open()
		held.wait()
		order = append(order, c)
	}
	a := start(t, h[0], store, func(c *Config) { c.Readers = 1 })
	b := start(t, h[1], newMemory())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.get(t, cidsOf(blocks), a.id()); err != nil {
			t.Error(err)
		}
	})
	at.wait()
	wg.Go(func() {
		_, err := b.Fetch(testContext(t), Request{Want: cidsOf(entry), Providers: []peer.ID{a.id()}, Put: b.store.take, Urgent: true})
		if err != nil {
			t.Error(err)
		}
	})
	r := a.requester(b.id())
	eventually(t, "the urgent want is queued", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, ok := r.unanswered[entry[0].CID]
		return ok
	})
	held.open()
	wg.Wait()
	if order[1] != entry[0].CID { // order[0] was under way
		t.Errorf("it was not served next")
	}
}

// TestIdle: a stream without work is closed, and opened again when there is some.
func TestIdle(t *testing.T) {
	blocks := someBlocks(1, 2, 100)
	h := loopback(t, 2)
	a, b := start(t, h[0], newMemory(blocks...)), start(t, h[1], newMemory())
	if _, err := b.get(t, cidsOf(blocks[:1]), a.id()); err != nil {
		t.Fatal(err)
	}
	b.sweep(time.Now())
	if a.requester(b.id()) == nil {
		t.Fatal("closed early")
	}
	b.sweep(time.Now().Add(b.cfg.Idle + time.Second))
	eventually(t, "closed on both sides", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return a.requester(b.id()) == nil && len(b.links) == 0
	})
	if _, err := b.get(t, cidsOf(blocks[1:]), a.id()); err != nil {
		t.Fatal(err)
	}
	// The provider gives up an idle requester by itself, too.
	a.sweep(time.Now().Add(2*a.cfg.Idle + time.Second))
	eventually(t, "the requester is gone", func() bool { return a.requester(b.id()) == nil })
	b.blame.nobody(t)
}

// TestPenaltyEnds: after the penalty a peer gets another chance.
func TestPenaltyEnds(t *testing.T) {
	blocks := someBlocks(1, 3, 100)
	h := mocked(t, 2)
	store := newMemory(blocks...)
	store.lies = true
	a, b := start(t, h[0], store), start(t, h[1], newMemory())
	if _, err := b.get(t, cidsOf(blocks), a.id()); err == nil {
		t.Fatal("lies were taken")
	}
	b.store.same(t, nil)
	store.mu.Lock()
	store.lies = false
	store.mu.Unlock()
	if _, err := b.get(t, cidsOf(blocks), a.id()); err == nil {
		t.Fatal("asked during the penalty")
	}
	b.mu.Lock()
	b.bans[a.id()] = time.Now().Add(-time.Second) // it is over
	b.mu.Unlock()
	if _, err := b.get(t, cidsOf(blocks), a.id()); err != nil {
		t.Fatal(err)
	}
	b.sweep(time.Now())
	if len(b.bans) != 0 {
		t.Error("an old penalty is kept")
	}
}

func TestWindow(t *testing.T) {
	now := time.Unix(100, 0)
	w := window{size: 1000, max: 8000}
	deliver := func(n int, perSecond float64) {
		for range n {
			now = now.Add(time.Duration(100 / perSecond * float64(time.Second)))
			w.arrived(100, now)
		}
	}
	w.limited = true
	deliver(1000, 1e6)
	if w.size != 8000 {
		t.Errorf("a pipe that the window limits: %d, want the largest", w.size)
	}
	w = window{size: 1000, max: 1 << 40, limited: true}
	deliver(100000, 1e6) // as fast with any window
	if w.size > 8000 {
		t.Errorf("a window that does not help grew to %d", w.size)
	}
	w = window{size: 1000, max: 8000}
	deliver(1000, 1e6)
	if w.size != 1000 {
		t.Errorf("a window that was never full grew to %d", w.size)
	}
}

// TestOwnDelay: a provider whose block waits for memory here does not count as stalled.
func TestOwnDelay(t *testing.T) {
	held := semaphore.NewWeighted(10)
	if !held.TryAcquire(10) {
		t.Fatal("no memory")
	}
	l := &link{}
	future := time.Now().Add(time.Hour)
	if !l.stalled(future) {
		t.Error("nothing moves, and that is no stall")
	}
	done := make(chan error)
	go func() { done <- l.hold(testContext(t), held, 5) }()
	eventually(t, "it rests", func() bool { return !l.stalled(future) })
	held.Release(5)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !l.stalled(future) {
		t.Error("it rests for ever")
	}
}
