package exchange

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// TestHave: a provider that refused a block gets it, and says so.
func TestHave(t *testing.T) {
	blocks := someBlocks(1, 2, 1000)
	h := loopback(t, 3)
	store := newMemory()
	looked := make(chan block.CID, 16)
	store.onHas = func(c block.CID) { looked <- c }
	a, b := start(t, h[0], store), start(t, h[1], newMemory())
	go func() {
		<-looked
		<-looked // after the second look it is remembered as refused
		for _, bl := range blocks {
			_ = store.Put(bl)
			a.Added(bl.CID)
		}
	}()
	more := make(chan peer.ID) // stays open: the fetch waits
	st, err := b.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{a.id()}, More: more, Put: b.store.take})
	if err != nil || st.Blocks != 2 {
		t.Fatalf("%d blocks, %v", st.Blocks, err)
	}
}

// TestRelay: what a peer has just fetched it gives to the next, while it fetches the rest.
func TestRelay(t *testing.T) {
	blocks := someBlocks(1, 40, 1000)
	h := loopback(t, 3)
	held := newGate()
	defer held.open()
	store := newMemory(blocks...)
	store.onGet = func(c block.CID) {
		if c == blocks[39].CID {
			held.wait()
		}
	}
	first := start(t, h[0], store)
	middle, last := start(t, h[1], newMemory()), start(t, h[2], newMemory())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := middle.get(t, cidsOf(blocks), first.id()); err != nil {
			t.Error(err)
		}
	})
	var puts atomic.Int32
	more := make(chan peer.ID)
	_, err := last.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{middle.id()}, More: more,
		Put: func(b block.Verified) error {
			if puts.Add(1) == 39 { // all but the one that first holds back
				held.open()
			}
			return last.store.take(b)
		}})
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	last.store.same(t, blocks)
}

// TestSharedWants: two fetches of the same blocks cost one transfer.
func TestSharedWants(t *testing.T) {
	blocks := someBlocks(1, 30, 1000)
	h := loopback(t, 2)
	held := newGate()
	defer held.open()
	store := newMemory(blocks...)
	store.onGet = func(block.CID) { held.wait() }
	a, b := start(t, h[0], store), start(t, h[1], newMemory())
	var wg sync.WaitGroup
	stores := []*memory{newMemory(), newMemory()}
	for _, s := range stores {
		wg.Go(func() {
			_, err := b.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{a.id()}, Put: s.take})
			if err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "both fetches wait", func() bool {
		b.board.mu.Lock()
		defer b.board.mu.Unlock()
		p := b.board.providers[a.id()]
		return p != nil && len(p.lanes) == 2 && len(p.asks) > 0
	})
	held.open()
	wg.Wait()
	for _, s := range stores {
		s.same(t, blocks)
	}
	for c, n := range store.gets {
		if n != 1 {
			t.Errorf("%s served %d times", c, n)
		}
	}
}

// TestBothWays: two peers fetch from each other at once, from the first moment.
func TestBothWays(t *testing.T) {
	x, y := someBlocks(1, 100, 20<<10), someBlocks(2, 100, 20<<10)
	h := loopback(t, 2)
	// Both dial at once, and both dials may fail for that.
	patient := func(c *Config) { c.Attempts, c.MaxBackoff = 10, 100*time.Millisecond }
	a, b := start(t, h[0], newMemory(x...), patient), start(t, h[1], newMemory(y...), patient)
	var wg sync.WaitGroup
	fetch := func(n *node, want []block.Block, from peer.ID) {
		wg.Go(func() {
			if _, err := n.get(t, cidsOf(want), from); err != nil {
				t.Error(err)
			}
		})
	}
	fetch(a, y, b.id())
	fetch(b, x, a.id())
	wg.Wait()
	a.store.same(t, append(slices.Clone(x), y...))
	b.store.same(t, append(slices.Clone(x), y...))
	a.blame.nobody(t)
	b.blame.nobody(t)
}

// TestSwarm: every peer begins with a part and ends with all, each asking all others at once.
func TestSwarm(t *testing.T) {
	const peers = 5
	blocks := someBlocks(1, 200, 2000)
	h := mocked(t, peers)
	var nodes []*node
	var ids []peer.ID
	for i := range peers {
		var part []block.Block
		for j := i; j < len(blocks); j += peers {
			part = append(part, blocks[j])
		}
		nodes = append(nodes, start(t, h[i], newMemory(part...)))
		ids = append(ids, h[i].ID())
	}
	var wg sync.WaitGroup
	for _, n := range nodes {
		var want []block.CID
		for _, b := range blocks {
			if !n.store.Has(b.CID) {
				want = append(want, b.CID)
			}
		}
		wg.Go(func() {
			if _, err := n.get(t, want, ids...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, n := range nodes {
		n.store.same(t, blocks)
		n.blame.nobody(t)
	}
}
