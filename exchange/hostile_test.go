package exchange

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// TestHostileProvider: whatever a provider does wrong, it is named for it, and the fetch goes
// on with another.
func TestHostileProvider(t *testing.T) {
	blocks := someBlocks(1, 20, 1000)
	c, other := blocks[0].CID, block.Sum(block.Raw, []byte("other"))
	for name, tc := range map[string]struct {
		answer []byte
		want   error
	}{
		"wrong bytes":       {append(appendBlockHeader(nil, c, 3), "abc"...), ErrWrongBytes},
		"unwanted block":    {append(appendBlockHeader(nil, other, 5), "other"...), ErrUnasked},
		"unwanted answer":   {appendList(nil, kindDontHave, 0, []block.CID{other}), ErrUnasked},
		"answered twice":    {appendList(nil, kindDontHave, 0, []block.CID{c, c}), ErrUnasked},
		"huge length":       {binary.AppendUvarint(nil, 1<<40), ErrLimit},
		"huge block":        {appendBlockHeader(nil, c, block.MaxSize+1), ErrLimit},
		"garbage":           {bytes.Repeat([]byte{0x11}, 100), ErrFrame},
		"wants on the side": {appendList(nil, kindWant, bulk, []block.CID{c}), ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			h := mocked(t, 3)
			named := newGate()
			defer named.open()
			store := newMemory(blocks...)
			store.onGet = func(block.CID) { named.wait() }
			h[0].SetStreamHandler(Protocol, func(s network.Stream) {
				_, _ = io.ReadFull(s, make([]byte, 40)) // the first want
				_, _ = s.Write(tc.answer)
				_, _ = io.Copy(io.Discard, s)
			})
			good, b := start(t, h[1], store), start(t, h[2], newMemory())
			// Only the hostile one can be asked at first.
			more := make(chan peer.ID, 1)
			b.blame.hook = func() {
				named.open()
				more <- good.id()
				close(more)
			}
			_, err := b.Fetch(testContext(t), Request{Want: cidsOf(blocks), Providers: []peer.ID{h[0].ID()}, More: more, Put: b.store.take})
			if err != nil {
				t.Fatal(err)
			}
			b.store.same(t, blocks)
			b.blame.only(t, h[0].ID(), tc.want)
		})
	}
}

// TestHostileRequester: whatever a requester does wrong, it is named for it, and others are served.
func TestHostileRequester(t *testing.T) {
	blocks := someBlocks(1, 20, 1000)
	c := blocks[0].CID
	var many []byte
	for i, cids := 0, someCIDs(MaxUnanswered+1); i < len(cids); i += MaxListed {
		many = appendList(many, kindWant, bulk, cids[i:min(i+MaxListed, len(cids))])
	}
	for name, tc := range map[string]struct {
		in   []byte
		want error
	}{
		"garbage":         {bytes.Repeat([]byte{0x11}, 100), ErrFrame},
		"huge length":     {binary.AppendUvarint(nil, 1<<60), ErrLimit},
		"too many wants":  {many, ErrLimit},
		"wanted twice":    {appendList(nil, kindWant, bulk, []block.CID{c, c}), ErrLimit},
		"sends a block":   {append(appendBlockHeader(nil, c, 3), "abc"...), ErrFrame},
		"sends dont-have": {appendList(nil, kindDontHave, 0, []block.CID{c}), ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			h := mocked(t, 3)
			store := newMemory(blocks...)
			for _, c := range someCIDs(MaxUnanswered + 1) {
				store.blocks[c] = nil // so that they are queued
			}
			held, named := newGate(), newGate()
			defer held.open()
			store.onGet = func(block.CID) { held.wait() }
			a, b := start(t, h[0], store), start(t, h[1], newMemory())
			a.blame.hook = named.open
			s := peerStream(t, h[2], a.id())
			if _, err := s.Write(tc.in); err != nil {
				t.Fatal(err)
			}
			named.wait()
			if _, err := io.Copy(io.Discard, s); err == nil {
				t.Error("the stream was not reset")
			}
			held.open()
			if _, err := b.get(t, cidsOf(blocks), a.id()); err != nil {
				t.Error(err)
			}
			a.blame.only(t, h[2].ID(), tc.want)

			again := peerStream(t, h[2], a.id())
			_, _ = again.Write(appendList(nil, kindWant, bulk, []block.CID{c}))
			if _, err := newDecoder(again).r.ReadByte(); err == nil {
				t.Error("served though it serves a penalty")
			}
		})
	}
}

// TestNeverReads: a requester that takes nothing costs one stream, until the sweep finds it.
func TestNeverReads(t *testing.T) {
	blocks := someBlocks(1, 40, 1<<20)
	h := loopback(t, 3)
	a := start(t, h[0], newMemory(blocks...), func(c *Config) { c.Readers = 1 })
	b := start(t, h[2], newMemory())
	s := peerStream(t, h[1], a.id())
	if _, err := s.Write(appendList(nil, kindWant, bulk, cidsOf(blocks))); err != nil {
		t.Fatal(err)
	}
	var r *requester
	eventually(t, "it is stuck", func() bool {
		r = a.requester(h[1].ID())
		return r != nil && r.writing.Load()
	})
	if _, err := b.get(t, cidsOf(blocks), a.id()); err != nil {
		t.Fatal(err)
	}
	b.store.same(t, blocks)
	if a.requester(h[1].ID()) != r || !r.writing.Load() {
		t.Fatal("it was cut early, or read")
	}
	a.sweep(time.Now())
	if a.requester(h[1].ID()) != r {
		t.Fatal("it was cut early")
	}
	a.sweep(time.Now().Add(2 * a.cfg.Stall))
	eventually(t, "it is cut", func() bool { return a.requester(h[1].ID()) == nil })
	a.blame.nobody(t) // slow is not wrong
}

// TestNeverAnswers: a provider that says nothing counts as gone after some sweeps.
func TestNeverAnswers(t *testing.T) {
	h := mocked(t, 2)
	asked := make(chan struct{}, 10)
	h[0].SetStreamHandler(Protocol, func(s network.Stream) {
		_, _ = io.ReadFull(s, make([]byte, 36))
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, s)
		_ = s.Reset()
	})
	b := start(t, h[1], newMemory())
	done := make(chan error)
	want := someCIDs(3)
	go func() {
		_, err := b.get(t, want, h[0].ID())
		done <- err
	}()
	for range b.cfg.Attempts {
		<-asked
		b.sweep(time.Now().Add(2 * b.cfg.Stall))
	}
	var u *Unavailable
	if err := <-done; !errors.As(err, &u) || !slices.Equal(u.Missing, want) {
		t.Error(err)
	}
	b.blame.nobody(t)
}

// TestTooMany: with all places taken a further requester is turned away, a known one is not.
func TestTooMany(t *testing.T) {
	blocks := someBlocks(1, 3, 100)
	h := mocked(t, 3)
	a := start(t, h[0], newMemory(blocks...), func(c *Config) { c.MaxRequesters = 1 })
	b, c := start(t, h[1], newMemory()), start(t, h[2], newMemory())
	if _, err := b.get(t, cidsOf(blocks[:1]), a.id()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.get(t, cidsOf(blocks), a.id()); !errors.As(err, new(*Unavailable)) {
		t.Errorf("turned away: %v", err)
	}
	s := peerStream(t, h[1], a.id()) // as after a broken connection: takes b's place
	if _, err := s.Write(appendList(nil, kindWant, bulk, []block.CID{blocks[0].CID})); err != nil {
		t.Fatal(err)
	}
	if f, err := decodeFrame(newDecoder(s)); err != nil || f.kind != kindBlock {
		t.Errorf("%v, %v", f.kind, err)
	}
}

// rawPair is a provider and a bare stream to it.
func rawPair(t *testing.T, store *memory, change ...func(*Config)) (*node, network.Stream, *decoder) {
	h := mocked(t, 2)
	a := start(t, h[0], store, change...)
	s := peerStream(t, h[1], a.id())
	return a, s, newDecoder(s)
}

func expect(t *testing.T, d *decoder, want frame) {
	t.Helper()
	got, err := decodeFrame(d)
	if err != nil || got.kind != want.kind || !slices.Equal(got.cids, want.cids) || !bytes.Equal(got.data, want.data) {
		t.Fatalf("got %s %v %v, want %s %v", got.kind, got.cids, err, want.kind, want.cids)
	}
}

// TestOrder: low orders first, a refusal at once, cancel answers now, and have comes after.
func TestOrder(t *testing.T) {
	blocks := someBlocks(1, 5, 10)
	held, at := newGate(), newGate()
	defer held.open()
	store := newMemory(blocks...)
	store.onGet = func(block.CID) { at.open(); held.wait() }
	a, s, d := rawPair(t, store)
	late := block.New(block.Raw, []byte("late"))
	cids := cidsOf(blocks)

	write := func(k kind, o order, c ...block.CID) {
		if _, err := s.Write(appendList(nil, k, o, c)); err != nil {
			t.Fatal(err)
		}
	}
	write(kindWant, bulk, cids[0]) // is under way when the rest comes
	at.wait()
	write(kindWant, bulk, cids[1], late.CID, cids[2])
	write(kindWant, urgent, cids[3])
	write(kindWant, 200, cids[4])
	write(kindCancel, 0, cids[1], cids[0])
	r := a.requester(s.Conn().LocalPeer())
	eventually(t, "all read", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.refuse) == 2
	})
	held.open()
	expect(t, d, frame{kind: kindBlock, cids: cids[:1], data: blocks[0].Data})
	expect(t, d, frame{kind: kindDontHave, cids: []block.CID{late.CID, cids[1]}})
	expect(t, d, frame{kind: kindBlock, cids: cids[3:4], data: blocks[3].Data})
	expect(t, d, frame{kind: kindBlock, cids: cids[2:3], data: blocks[2].Data})
	expect(t, d, frame{kind: kindBlock, cids: cids[4:5], data: blocks[4].Data})

	_ = store.Put(late)
	a.Added(late.CID, cids[1]) // cids[1] was cancelled: nothing to hear
	expect(t, d, frame{kind: kindHave, cids: []block.CID{late.CID}})
	write(kindWant, bulk, late.CID)
	_ = s.CloseWrite()
	expect(t, d, frame{kind: kindBlock, cids: []block.CID{late.CID}, data: late.Data})
	if _, err := decodeFrame(d); err != io.EOF {
		t.Errorf("after the last answer: %v", err)
	}
	eventually(t, "nothing remembered", func() bool {
		a.server.mu.Lock()
		defer a.server.mu.Unlock()
		return len(a.server.refused) == 0 && len(a.server.requesters) == 0
	})
	a.blame.nobody(t)
}

// TestRefusalLooksAbsent: the bytes of a refusal do not tell a private block from an absent one.
func TestRefusalLooksAbsent(t *testing.T) {
	private := block.New(block.Raw, []byte("private"))
	_, s, d := rawPair(t, newMemory(private), func(c *Config) {
		c.Allow = func(peer.ID, block.CID) bool { return false }
	})
	want := []block.CID{private.CID, block.Sum(block.Raw, []byte("absent"))}
	if _, err := s.Write(appendList(nil, kindWant, bulk, want)); err != nil {
		t.Fatal(err)
	}
	var refused []block.CID
	for len(refused) < 2 { // in one frame or in two
		f, err := decodeFrame(d)
		if err != nil || f.kind != kindDontHave {
			t.Fatal(f.kind, err)
		}
		refused = append(refused, f.cids...)
	}
	if !slices.Equal(refused, want) {
		t.Errorf("refused %v", refused)
	}
}

// TestSourceFails: a block that Has promised and Get does not give is refused.
func TestSourceFails(t *testing.T) {
	broken, big := block.Sum(block.Raw, []byte("broken")), block.New(block.Raw, make([]byte, block.MaxSize+1))
	store := newMemory(big)
	store.blocks[broken] = nil
	store.onGet = func(c block.CID) {
		if c == broken {
			store.mu.Lock()
			delete(store.blocks, c)
			store.mu.Unlock()
		}
	}
	_, s, d := rawPair(t, store)
	for _, c := range []block.CID{broken, big.CID} {
		if _, err := s.Write(appendList(nil, kindWant, bulk, []block.CID{c})); err != nil {
			t.Fatal(err)
		}
		expect(t, d, frame{kind: kindDontHave, cids: []block.CID{c}})
	}
}

// TestFairServing: a requester with a long list does not hold up another with a short one.
func TestFairServing(t *testing.T) {
	blocks := someBlocks(1, 100, 100)
	h := mocked(t, 3)
	held, at := newGate(), newGate()
	defer held.open()
	var order []block.CID // Readers is 1: no lock needed
	store := newMemory(blocks...)
	store.onGet = func(c block.CID) {
		at.open()
		held.wait()
		order = append(order, c)
	}
	a := start(t, h[0], store, func(c *Config) { c.Readers = 1 })
	long, short := peerStream(t, h[1], a.id()), peerStream(t, h[2], a.id())
	ask := func(s network.Stream, cids []block.CID) {
		if _, err := s.Write(appendList(nil, kindWant, bulk, cids)); err != nil {
			t.Fatal(err)
		}
	}
	ask(long, cidsOf(blocks[:97]))
	at.wait()
	ask(short, cidsOf(blocks[97:]))
	eventually(t, "the short list is seen", func() bool {
		r := a.requester(h[2].ID())
		if r == nil {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.unanswered[blocks[97].CID] == sending
	})
	held.open()
	expect(t, newDecoder(short), frame{kind: kindBlock, cids: cidsOf(blocks[97:98]), data: blocks[97].Data})
	d := newDecoder(long)
	for i := range 97 {
		expect(t, d, frame{kind: kindBlock, cids: cidsOf(blocks[i : i+1]), data: blocks[i].Data})
	}
	if i := slices.Index(order, blocks[97].CID); i != 1 {
		t.Errorf("its first block was read as number %d, want 1", i)
	}
}

// TestAllowIsAskedAgain: a right that ended while the want was queued is not served any more.
func TestAllowIsAskedAgain(t *testing.T) {
	blocks := someBlocks(1, 2, 100)
	at, held := newGate(), newGate()
	defer held.open()
	store := newMemory(blocks...)
	store.onGet = func(block.CID) { at.open(); held.wait() }
	var revoked atomic.Bool
	_, s, d := rawPair(t, store, func(c *Config) {
		c.Allow = func(peer.ID, block.CID) bool { return !revoked.Load() }
	})
	if _, err := s.Write(appendList(nil, kindWant, bulk, cidsOf(blocks))); err != nil {
		t.Fatal(err)
	}
	at.wait()
	revoked.Store(true)
	held.open()
	expect(t, d, frame{kind: kindBlock, cids: cidsOf(blocks[:1]), data: blocks[0].Data})
	expect(t, d, frame{kind: kindDontHave, cids: cidsOf(blocks[1:])})
}
