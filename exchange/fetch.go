package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Request says what a fetch is to get, from whom, and where to.
type Request struct {
	// Want lists the blocks; they are asked for in this order and arrive in any. A CID named
	// twice is fetched once.
	Want []block.CID
	// Providers may be asked for any of the blocks. They are connected, or the host can dial them.
	Providers []peer.ID
	// More brings further providers while the fetch runs. A peer named again is asked again
	// for what it refused. While More is open the fetch waits for blocks that nobody has;
	// the sender closes it when there are no more. It may be nil.
	More <-chan peer.ID
	// Put takes a verified block. It is called from at most Config.Workers goroutines at once,
	// never after Fetch returned, and must not keep or change its data: the memory is used again. Its
	// error ends the fetch. A Put that takes long slows the fetch down, and no other.
	Put func(block.Verified) error
	// Progress is called after each Put, one call at a time: blocks and bytes done so far, blocks in
	// all. It must be quick. It may be nil.
	Progress func(done, total int, bytes int64)
	// Urgent puts these blocks ahead of other fetches' at each provider: ledger entries,
	// manifests.
	Urgent bool
}

// FetchStats says what a fetch did.
type FetchStats struct {
	Blocks int   // through Put
	Bytes  int64 // of these
	From   map[peer.ID]Count
	Took   time.Duration
}

// Count is a number of blocks and their bytes.
type Count struct {
	Blocks int
	Bytes  int64
}

func (c *Count) add(n int) {
	c.Blocks++
	c.Bytes += int64(n)
}

// fetch is a running Fetch. The board's lock guards it.
type fetch struct {
	order order
	size  int64 // what its next block is taken to have
	inUse int64 // bytes of asks, by guess, and of blocks not yet through Put

	entries []*entry // in the order of the request
	again   []*entry // that came back from a provider, some of them since gone elsewhere
	lanes   []*lane
	inbox   []*delivery // for its workers
	work    *sync.Cond  // inbox or ended

	left     int  // entries not through Put
	missing  int  // of these, nobody has
	more     bool // providers may still come
	ended    bool
	err      error
	finished chan struct{}

	done   Count
	from   map[peer.ID]Count
	report sync.Mutex // serialises Progress; taken before the board's lock
}

func newFetch(b *board, ord order) *fetch {
	return &fetch{
		order:    ord,
		size:     firstGuess,
		work:     sync.NewCond(&b.mu),
		more:     true,
		finished: make(chan struct{}),
		from:     make(map[peer.ID]Count),
	}
}

func (f *fetch) lane(p *provider) *lane {
	for _, l := range f.lanes {
		if l.by == p {
			return l
		}
	}
	return nil
}

// Fetch gets every wanted block from any of the providers and hands each, verified, to Put.
// It returns when all are through Put; with ctx's error when ctx ends; with Put's
// error; with an *Unavailable when all others are in and no provider can give the rest; or
// with ErrClosed. FetchStats is right in every case.
func (x *Exchange) Fetch(ctx context.Context, r Request) (FetchStats, error) {
	begin := time.Now()
	want, err := r.check()
	if err != nil {
		return FetchStats{}, err
	}
	ord := bulk
	if r.Urgent {
		ord = urgent
	}
	f := newFetch(x.board, ord)
	x.board.mu.Lock()
	x.board.join(f, want)
	x.board.mu.Unlock()

	var workers sync.WaitGroup
	for range min(x.cfg.Workers, len(want)) {
		workers.Go(func() { x.work(f, &r) })
	}
	x.enlist(f, r.Providers...)
	x.await(ctx, f, r.More)

	b := x.board
	b.mu.Lock()
	b.leave(f, time.Now())
	b.mu.Unlock()
	workers.Wait()
	st := FetchStats{Blocks: f.done.Blocks, Bytes: f.done.Bytes, From: f.from, Took: time.Since(begin)}
	if f.err != nil {
		return st, fmt.Errorf("fetch %d blocks, %d done: %w", len(want), st.Blocks, f.err)
	}
	return st, nil
}

// check returns the wanted blocks, each once.
func (r *Request) check() ([]block.CID, error) {
	if r.Put == nil {
		return nil, errors.New("exchange: Request needs Put")
	}
	seen := make(map[block.CID]struct{}, len(r.Want))
	want := make([]block.CID, 0, len(r.Want))
	for _, c := range r.Want {
		if c.Codec() != block.Raw && c.Codec() != block.DagCBOR {
			return nil, fmt.Errorf("exchange: want %s: %w", c, block.ErrCID)
		}
		if _, ok := seen[c]; !ok {
			seen[c] = struct{}{}
			want = append(want, c)
		}
	}
	return want, nil
}

// await returns when f has ended.
func (x *Exchange) await(ctx context.Context, f *fetch, more <-chan peer.ID) {
	if more == nil {
		x.noMore(f)
	}
	for {
		var err error
		select {
		case <-f.finished:
			return
		case id, ok := <-more:
			if ok {
				x.enlist(f, id)
			} else {
				more = nil
				x.noMore(f)
			}
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-x.ctx.Done():
			err = ErrClosed
		}
		x.board.mu.Lock()
		x.board.end(f, err)
		x.board.mu.Unlock()
		return
	}
}

func (x *Exchange) noMore(f *fetch) {
	x.board.mu.Lock()
	defer x.board.mu.Unlock()
	f.more = false
	x.board.settle(f)
}

// work verifies blocks that arrived for f and puts them, until f ends.
func (x *Exchange) work(f *fetch, r *Request) {
	b := x.board
	for {
		d := b.take(f)
		if d == nil {
			return
		}
		if x.verify(d) {
			if err := r.Put(d.block); err != nil {
				b.mu.Lock()
				b.end(f, fmt.Errorf("put %s: %w", d.cid, err))
				b.mu.Unlock()
			} else {
				x.Added(d.cid)
				x.finish(f, d, r.Progress)
			}
		}
		b.mu.Lock()
		b.release(d, f)
		b.mu.Unlock()
	}
}

// take waits for a block that arrived for f; nil when f has ended.
func (b *board) take(f *fetch) *delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(f.inbox) == 0 && !f.ended {
		f.work.Wait()
	}
	if f.ended {
		return nil
	}
	d := f.inbox[0]
	f.inbox = f.inbox[1:]
	return d
}

// verify reports whether d's bytes are the block they were sent for. The hash is computed once,
// also when several fetches wait for it, and a peer that sent others is dropped.
func (x *Exchange) verify(d *delivery) bool {
	d.verify.Do(func() {
		b := x.board
		var err error
		d.block, err = block.Block{CID: d.cid, Data: d.buf.data}.Verify()
		d.good = err == nil
		if !d.good { // first, so that it is not asked again
			x.drop(&Misbehaviour{d.by.id, d.cid, ErrWrongBytes})
		}
		b.mu.Lock()
		b.verified(d)
		b.mu.Unlock()
	})
	return d.good
}

// finish counts a block that is through Put.
func (x *Exchange) finish(f *fetch, d *delivery, progress func(int, int, int64)) {
	f.report.Lock()
	defer f.report.Unlock()
	b := x.board
	b.mu.Lock()
	for _, e := range d.entries {
		if e.fetch == f {
			e.done = true
		}
	}
	f.left--
	f.done.add(len(d.buf.data))
	n := f.from[d.by.id]
	n.add(len(d.buf.data))
	f.from[d.by.id] = n
	done, total, bytes := f.done.Blocks, len(f.entries), f.done.Bytes
	b.settle(f)
	b.mu.Unlock()
	if progress != nil {
		progress(done, total, bytes)
	}
}
