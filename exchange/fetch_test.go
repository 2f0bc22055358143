package exchange

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

var networks = map[string]func(testing.TB, int) []host.Host{"loopback": loopback, "mocknet": mocked}

func TestFetchFromOne(t *testing.T) {
	for name, hosts := range networks {
		t.Run(name, func(t *testing.T) {
			blocks := someBlocks(1, 300, 10<<10)
			blocks = append(blocks, block.New(block.Raw, nil), block.Of([]uint64{1, 2}))
			blocks = append(blocks, someBlocks(2, 2, block.MaxSize-2)...)
			var bytes int64
			for _, b := range blocks {
				bytes += int64(len(b.Data))
			}
			h := hosts(t, 2)
			a := start(t, h[0], newMemory(blocks...))
			b := start(t, h[1], newMemory())

			want := append(cidsOf(blocks), blocks[0].CID) // one twice
			var last atomic.Int64
			st, err := b.Fetch(testContext(t), Request{
				Want: want, Providers: []peer.ID{a.id()}, Put: b.store.take,
				Progress: func(done, total int, _ int64) {
					if int64(done) != last.Add(1) || total != len(blocks) {
						t.Errorf("progress %d of %d after %d", done, total, last.Load()-1)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			b.store.same(t, blocks)
			if st.Blocks != len(blocks) || st.Bytes != bytes || st.From[a.id()] != (Count{len(blocks), bytes}) {
				t.Errorf("stats %+v", st)
			}
			if int(last.Load()) != len(blocks) {
				t.Errorf("progress ended at %d", last.Load())
			}
			if got := b.Stats().Total; got.Received.Bytes != bytes || got.Unused.Blocks != 0 {
				t.Errorf("received %+v", got)
			}
			eventually(t, "all counted as sent", func() bool { return a.Stats().Peers[b.id()].Sent.Bytes == bytes })
			a.blame.nobody(t)
			b.blame.nobody(t)
		})
	}
}

// TestFetchFromMany: a good provider, a slow one, one without the blocks, one that lies.
func TestFetchFromMany(t *testing.T) {
	blocks := someBlocks(1, 120, 20<<10)
	h := loopback(t, 5)
	stuck, lied, release := newGate(), newGate(), newGate()
	defer release.open()
	defer stuck.open()
	defer lied.open()
	slowStore := newMemory(blocks...)
	slowStore.onGet = func(block.CID) {
		stuck.open()
		release.wait()
	}
	goodStore := newMemory(blocks...)
	goodStore.onGet = func(block.CID) { // when the others have their share
		stuck.wait()
		lied.wait()
	}
	lieStore := newMemory(blocks...)
	lieStore.lies = true

	good, slow := start(t, h[0], goodStore), start(t, h[1], slowStore)
	empty, liar := start(t, h[2], newMemory()), start(t, h[3], lieStore)
	b := start(t, h[4], newMemory())
	b.blame.hook = lied.open

	st, err := b.get(t, cidsOf(blocks), good.id(), slow.id(), empty.id(), liar.id())
	if err != nil {
		t.Fatal(err)
	}
	b.store.same(t, blocks)
	if m := b.blame.only(t, liar.id(), ErrWrongBytes); !m.CID.Defined() {
		t.Error("the lie has no CID")
	}
	if st.From[good.id()].Blocks != len(blocks) {
		t.Errorf("from: %v", st.From)
	}
	if !b.banned(liar.id()) {
		t.Error("the liar may go on")
	}
	if _, err := liar.get(t, cidsOf(blocks[:1]), b.id()); !errors.As(err, new(*Unavailable)) {
		t.Errorf("the liar was served: %v", err)
	}
}

// TestWorkMoves: of two providers the fast one gets most of the work, and in the end all of it.
func TestWorkMoves(t *testing.T) {
	const n = 60
	blocks := someBlocks(3, n, 256<<10)
	h := loopback(t, 3)
	tokens := make(chan struct{}, n)
	slowStore := newMemory(blocks...)
	slowStore.onGet = func(block.CID) { <-tokens }
	fastStore := newMemory(blocks...)
	var served atomic.Int32
	fastStore.onGet = func(block.CID) { // the slow one serves one block for every ten
		if served.Add(1)%10 == 0 {
			tokens <- struct{}{}
		}
	}
	fast, slow := start(t, h[0], fastStore), start(t, h[1], slowStore)
	defer close(tokens)
	b := start(t, h[2], newMemory())
	st, err := b.get(t, cidsOf(blocks), slow.id(), fast.id())
	if err != nil {
		t.Fatal(err)
	}
	b.store.same(t, blocks)
	if got := st.From[fast.id()].Blocks; got < n*3/4 {
		t.Errorf("the fast one gave %d of %d", got, n)
	}
}

func TestPrivacy(t *testing.T) {
	blocks := someBlocks(1, 10, 100)
	h := loopback(t, 3)
	public := blocks[3].CID
	a := start(t, h[0], newMemory(blocks...), func(c *Config) {
		c.Allow = func(p peer.ID, c block.CID) bool { return p == h[1].ID() || c == public }
	})
	member, stranger := start(t, h[1], newMemory()), start(t, h[2], newMemory())
	if _, err := member.get(t, cidsOf(blocks), a.id()); err != nil {
		t.Errorf("member: %v", err)
	}
	absent := block.Sum(block.Raw, []byte("absent"))
	want := append([]block.CID{absent}, cidsOf(blocks)...)
	_, err := stranger.get(t, want, a.id())
	var u *Unavailable
	if !errors.As(err, &u) || len(u.Missing) != 10 || u.Missing[0] != absent || slices.Contains(u.Missing, public) {
		t.Errorf("stranger: %v", err)
	}
	stranger.store.same(t, blocks[3:4])
}

func TestContextEnds(t *testing.T) {
	blocks := someBlocks(1, 50, 1000)
	h := loopback(t, 2)
	at, release := newGate(), newGate()
	defer release.open()
	store := newMemory(blocks...)
	store.onGet = func(c block.CID) {
		if c == blocks[5].CID {
			at.open()
			release.wait()
		}
	}
	a := start(t, h[0], store, func(c *Config) { c.Readers = 1 })
	b := start(t, h[1], newMemory())
	ctx, cancel := context.WithCancel(testContext(t))
	var puts atomic.Int32
	st, err := b.Fetch(ctx, Request{Want: cidsOf(blocks), Providers: []peer.ID{a.id()}, Put: func(block.Verified) error {
		if puts.Add(1) == 5 {
			at.wait()
			cancel()
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) || st.Blocks != 5 {
		t.Errorf("%d blocks, %v", st.Blocks, err)
	}
	// The provider hears that the rest is not wanted: only the one it is at will come.
	r := a.requester(b.id())
	eventually(t, "cancelled", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.unanswered) > 1 && len(r.refuse) == len(r.unanswered)-1
	})
	release.open()
	eventually(t, "all answered", func() bool {
		b.board.mu.Lock()
		defer b.board.mu.Unlock()
		return len(b.board.providers[a.id()].asks) == 0 && b.board.inUse == 0
	})
	if puts.Load() != 5 {
		t.Errorf("%d puts", puts.Load())
	}
	// The same stream goes on.
	if _, err := b.get(t, cidsOf(blocks), a.id()); err != nil {
		t.Error(err)
	}
	b.blame.nobody(t)
}

func (x *Exchange) requester(id peer.ID) *requester {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	return x.server.requesters[id]
}

func TestPutFails(t *testing.T) {
	blocks := someBlocks(1, 20, 1000)
	h := mocked(t, 2)
	a, b := start(t, h[0], newMemory(blocks...)), start(t, h[1], newMemory())
	full := errors.New("disk full")
	_, err := b.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{a.id()},
		Put: func(block.Verified) error { return full }})
	if !errors.Is(err, full) {
		t.Error(err)
	}
}

func TestProviderDies(t *testing.T) {
	blocks := someBlocks(1, 100, 10<<10)
	h := loopback(t, 3)
	dead := newGate()
	defer dead.open()
	dying := newMemory(blocks...)
	var gets atomic.Int32
	dying.onGet = func(block.CID) {
		if gets.Add(1) == 10 {
			_ = h[0].Close()
			dead.open()
		}
	}
	living := newMemory(blocks...)
	living.onGet = func(block.CID) { dead.wait() }
	a, b, c := start(t, h[0], dying), start(t, h[1], living), start(t, h[2], newMemory())
	st, err := c.get(t, cidsOf(blocks), a.id(), b.id())
	if err != nil {
		t.Fatal(err)
	}
	c.store.same(t, blocks)
	if st.From[b.id()].Blocks < 90 {
		t.Errorf("from: %v", st.From)
	}
	c.blame.nobody(t)
}

// TestAllDie: without a provider left the fetch says what is missing.
func TestAllDie(t *testing.T) {
	blocks := someBlocks(1, 30, 1000)
	h := loopback(t, 2)
	store := newMemory(blocks...)
	var gets atomic.Int32
	store.onGet = func(block.CID) {
		if gets.Add(1) == 10 {
			_ = h[0].Close()
		}
	}
	a, b := start(t, h[0], store), start(t, h[1], newMemory())
	st, err := b.get(t, cidsOf(blocks), a.id())
	var u *Unavailable
	if !errors.As(err, &u) || len(u.Missing)+st.Blocks != 30 || len(u.Missing) == 0 {
		t.Fatalf("%d blocks, %v", st.Blocks, err)
	}
}

func TestProviderComesLater(t *testing.T) {
	blocks := someBlocks(1, 20, 1000)
	h := loopback(t, 3)
	a, b := start(t, h[0], newMemory(blocks...)), start(t, h[1], newMemory(blocks[:10]...))
	c := start(t, h[2], newMemory())
	more := make(chan peer.ID)
	half := make(chan struct{})
	go func() {
		more <- b.id()
		<-half // b can give no more: the fetch waits
		more <- a.id()
		close(more)
	}()
	var puts atomic.Int32
	st, err := c.Fetch(testContext(t), Request{Want: cidsOf(blocks), More: more, Put: func(b block.Verified) error {
		if puts.Add(1) == 10 {
			close(half)
		}
		return c.store.take(b)
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.store.same(t, blocks)
	if st.From[a.id()].Blocks != 10 || st.From[b.id()].Blocks != 10 {
		t.Errorf("from: %v", st.From)
	}
}

func TestNoProviders(t *testing.T) {
	c := start(t, mocked(t, 1)[0], newMemory())
	want := someCIDs(3)
	_, err := c.get(t, want, c.id()) // itself does not count
	var u *Unavailable
	if !errors.As(err, &u) || !slices.Equal(u.Missing, want) {
		t.Error(err)
	}
	more := make(chan peer.ID)
	close(more)
	if _, err = c.Fetch(testContext(t), Request{Want: want, More: more, Put: c.store.take}); !errors.As(err, &u) {
		t.Error(err)
	}
	if _, err = c.get(t, nil); err != nil {
		t.Errorf("nothing wanted: %v", err)
	}
	if _, err = c.get(t, []block.CID{{}}); !errors.Is(err, block.ErrCID) {
		t.Errorf("zero CID: %v", err)
	}
	if _, err = c.Fetch(testContext(t), Request{Want: want}); err == nil {
		t.Error("no Put, no error")
	}
}

func TestClosed(t *testing.T) {
	blocks := someBlocks(1, 5, 100)
	h := loopback(t, 2)
	store := newMemory(blocks...)
	asked, release := newGate(), newGate()
	defer release.open()
	store.onGet = func(block.CID) {
		asked.open()
		release.wait()
	}
	a, b := start(t, h[0], store), start(t, h[1], newMemory())
	go func() {
		asked.wait()
		b.stop()
	}()
	if _, err := b.get(t, cidsOf(blocks), a.id()); !errors.Is(err, ErrClosed) {
		t.Errorf("running: %v", err)
	}
	if _, err := b.get(t, cidsOf(blocks), a.id()); !errors.Is(err, ErrClosed) {
		t.Errorf("after: %v", err)
	}
	release.open()
	a.stop()
	if slices.Contains(h[0].Mux().Protocols(), Protocol) {
		t.Error("a closed exchange still has its handler")
	}
}

func TestConfig(t *testing.T) {
	h := mocked(t, 1)[0]
	for name, change := range map[string]func(*Config){
		"no host":    func(c *Config) { c.Host = nil },
		"no source":  func(c *Config) { c.Source = nil },
		"no allow":   func(c *Config) { c.Allow = nil },
		"no memory":  func(c *Config) { c.Memory = block.MaxSize },
		"window":     func(c *Config) { c.MaxWindow = c.Window - 1 },
		"no readers": func(c *Config) { c.Readers = 0 },
		"no stall":   func(c *Config) { c.Stall = 0 },
		"backoff":    func(c *Config) { c.MaxBackoff = 0 },
	} {
		cfg := testConfig(h, newMemory(), new(blame))
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
