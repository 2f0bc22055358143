package exchange

import (
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// board is the one place that knows which blocks are wanted, by which fetches, and who was asked.
// It does no input or output and starts no goroutine: links and fetches call it, it
// wakes them. One lock guards it and everything that hangs from it; at a block of 1 MiB a few
// microseconds of it a block are nothing.
type board struct {
	mu        sync.Mutex
	limits    limits
	wants     map[block.CID]*want
	providers map[peer.ID]*provider
	seq       uint64 // asks so far

	inUse   int64 // bytes of all fetches, see fetch.inUse
	starved bool  // a want waits for memory
}

// limits is what the board takes from Config.
type limits struct {
	memory            int64
	window, maxWindow int64
	attempts          int
}

// want is one block that fetches wait for. It leaves the board when the bytes arrive, to
// be verified and put. It is open if that is not so and nobody was asked for it.
type want struct {
	cid     block.CID
	entries []*entry // of the fetches that wait
	asks    []*ask   // unanswered; more than one in the end game
	arrived bool     // the bytes are here
}

func (w *want) open() bool { return len(w.asks) == 0 && !w.arrived }

// entry is one fetch's part of a want.
type entry struct {
	fetch   *fetch
	want    *want
	refused []refusal
	done    bool // through Put
	missing bool // open, and no provider of the fetch can give it
}

// refusal says that a provider does not have an entry's block, or did not for a while.
type refusal struct {
	by    *provider
	times int
	stale bool // it said have since
}

func (e *entry) refusedBy(p *provider) bool {
	for i := range e.refused {
		if e.refused[i].by == p {
			return !e.refused[i].stale
		}
	}
	return false
}

// provider is a peer that fetches ask. Its link moves what the board decides.
type provider struct {
	id    peer.ID
	lanes []*lane
	turn  int // lanes take turns

	asks    map[block.CID]*ask
	cancels []block.CID // to be sent
	inUse   int64       // bytes of asks, by guess
	window  window
	pace    pace

	failures  int       // in a row
	down      bool      // too many failures: nobody waits for it
	gone      bool      // dismissed: what still comes from it does not matter
	idleSince time.Time // when it lost its last lane
	wake      chan struct{}
	retire    func() // ends the link
}

func (p *provider) kick() {
	select {
	case p.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// ask is a want on its way to a provider and back. A cancelled one has no want, and is still
// answered.
type ask struct {
	seq   uint64
	at    time.Time
	cid   block.CID
	want  *want
	by    *provider
	fetch *fetch // whose memory it counts to
	size  int64  // a guess

	coming *arrival // nil: not yet
}

// lane is a provider as seen by a fetch. The cursors say what of the fetch's lists it has looked at.
type lane struct {
	fetch *fetch
	by    *provider
	fresh int // in fetch.entries
	again int // in fetch.again
}

func newBoard(l limits) *board {
	return &board{
		limits:    l,
		wants:     make(map[block.CID]*want),
		providers: make(map[peer.ID]*provider),
	}
}

// join puts a fetch's entries on the board. Wants that others have too are shared.
func (b *board) join(f *fetch, cids []block.CID) {
	f.entries = make([]*entry, len(cids))
	f.left = len(cids)
	for i, c := range cids {
		e := &entry{fetch: f}
		f.entries[i] = e
		b.attach(e, c)
		b.recheck(e)
	}
	b.settle(f)
}

func (b *board) attach(e *entry, c block.CID) {
	w := b.wants[c]
	if w == nil {
		w = &want{cid: c}
		b.wants[c] = w
	}
	e.want = w
	w.entries = append(w.entries, e)
}

// provider returns the provider id, which may be new; then its link has yet to be started.
func (b *board) provider(id peer.ID) (p *provider, isNew bool) {
	if p = b.providers[id]; p != nil {
		return p, false
	}
	p = &provider{
		id:     id,
		asks:   make(map[block.CID]*ask),
		window: window{size: b.limits.window, max: b.limits.maxWindow},
		wake:   make(chan struct{}, 1),
		retire: func() {},
	}
	b.providers[id] = p
	return p, true
}

// enlist adds p to the providers of f. If it is one already, it gets a new chance: with what it
// refused, and with being reached.
func (b *board) enlist(f *fetch, p *provider) {
	if f.ended {
		return
	}
	if l := f.lane(p); l != nil {
		for _, e := range f.entries {
			e.refused = slices.DeleteFunc(e.refused, func(r refusal) bool { return r.by == p })
		}
		l.fresh, l.again = 0, 0
		b.alive(p)
	} else {
		l = &lane{fetch: f, by: p}
		f.lanes = append(f.lanes, l)
		p.lanes = append(p.lanes, l)
	}
	b.recheckAll(f)
	p.kick()
}

// alive ends a series of failures of p.
func (b *board) alive(p *provider) {
	p.failures = 0
	if !p.down {
		return
	}
	p.down = false
	for _, l := range p.lanes {
		b.recheckAll(l.fetch)
	}
}

// leave takes what is left of f off the board. No job of it is handed out any more.
func (b *board) leave(f *fetch, now time.Time) {
	b.end(f, nil)
	for _, e := range f.entries {
		if !e.done {
			b.detach(e)
		}
	}
	for _, l := range f.lanes {
		p := l.by
		p.lanes = slices.DeleteFunc(p.lanes, func(m *lane) bool { return m == l })
		if len(p.lanes) == 0 {
			p.idleSince = now
		}
		p.kick() // cancels to send
	}
	f.lanes = nil
	for _, d := range f.inbox {
		b.release(d, f)
	}
	f.inbox = nil
}

// detach takes e off its want, and cancels what nobody waits for any more.
func (b *board) detach(e *entry) {
	w := e.want
	w.entries = slices.DeleteFunc(w.entries, func(o *entry) bool { return o == e })
	if len(w.entries) > 0 {
		return
	}
	e.forget()
	for _, a := range w.asks {
		b.cancel(a)
	}
	w.asks = nil
	if b.wants[w.cid] == w {
		delete(b.wants, w.cid)
	}
}

// cancel makes a an ask that nobody waits for; the caller takes it off its want.
func (b *board) cancel(a *ask) {
	a.want = nil
	a.by.cancels = append(a.by.cancels, a.cid)
	a.by.kick()
}

// dismiss removes p for good: from every fetch, with its asks moved.
func (b *board) dismiss(p *provider) {
	if b.providers[p.id] == p {
		delete(b.providers, p.id)
	}
	p.gone = true
	lanes := p.lanes
	p.lanes = nil
	for _, l := range lanes {
		f := l.fetch
		f.lanes = slices.DeleteFunc(f.lanes, func(m *lane) bool { return m == l })
	}
	b.reclaim(p)
	for _, l := range lanes {
		b.recheckAll(l.fetch)
	}
}

// idle removes and returns the providers without work since before.
func (b *board) idle(before time.Time) []*provider {
	var out []*provider
	for id, p := range b.providers {
		if len(p.lanes) == 0 && len(p.asks) == 0 && p.idleSince.Before(before) {
			delete(b.providers, id)
			out = append(out, p)
		}
	}
	return out
}
