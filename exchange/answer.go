package exchange

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weft-mesh/weft/block"
)

// delivery is a block that arrived, on its way through verification and the Puts of the
// fetches that wait for it.
type delivery struct {
	cid     block.CID
	by      *provider
	buf     *buffer
	entries []*entry // it is for
	holders []*fetch // not yet through with it; the first is whose memory it counts to
	recycle func()   // when all are through

	verify sync.Once
	good   bool
	block  block.Verified // if good
}

// asked reports whether p owes an answer to c.
func (b *board) asked(p *provider, c block.CID) bool { return p.asks[c] != nil }

// answered takes the ask for c off the list of p, and shows p to be alive.
func (b *board) answered(p *provider, c block.CID) *ask {
	a := p.asks[c]
	delete(p.asks, c)
	p.inUse -= a.size
	b.use(a.fetch, -a.size)
	b.alive(p)
	p.kick()
	return a
}

// arrive takes a block that p was asked for. It returns false if nobody waits for it
// any more; then buf stays the caller's. Otherwise recycle is called when all are done with it.
func (b *board) arrive(p *provider, c block.CID, buf *buffer, recycle func(), now time.Time) bool {
	if !b.asked(p, c) { // p was dismissed while the bytes came
		return false
	}
	a := b.answered(p, c)
	n := int64(len(buf.data))
	p.window.arrived(n, now)
	p.pace.arrived(n, now)
	w := a.want
	if w == nil { // cancelled, but somebody may want it by now
		w = b.wants[c]
	}
	if w == nil || w.arrived {
		return false
	}
	for _, o := range w.asks {
		if o != a {
			b.cancel(o)
		}
	}
	w.asks, w.arrived = nil, true
	delete(b.wants, c) // who joins from now on gets a want of its own
	d := &delivery{cid: c, by: p, buf: buf, recycle: recycle}
	var rest []*entry
	d.entries, rest = b.takers(w, a.fetch)
	w.entries = slices.Clone(d.entries) // shrinks when a fetch leaves
	b.use(d.entries[0].fetch, n)
	for _, e := range d.entries {
		b.recheck(e)
		f := e.fetch
		d.holders = append(d.holders, f)
		f.size += (n - f.size) / 4
		f.inbox = append(f.inbox, d)
		f.work.Signal()
	}
	b.wantAgain(c, rest)
	return true
}

// takers splits the entries of w, a block of which arrived. It goes to the fetch that asked, if it
// still waits, and to those of the others that have memory left. The rest wait for another
// transfer, so that a fetch whose Put stalls does not hold up the others.
func (b *board) takers(w *want, asked *fetch) (take, rest []*entry) {
	first := max(0, slices.IndexFunc(w.entries, func(e *entry) bool { return e.fetch == asked }))
	take = []*entry{w.entries[first]}
	for i, e := range w.entries {
		switch {
		case i == first:
		case b.fits(e.fetch):
			take = append(take, e)
		default:
			rest = append(rest, e)
		}
	}
	return take, rest
}

// wantAgain puts entries of c back on the board, whose want is gone.
func (b *board) wantAgain(c block.CID, entries []*entry) {
	for _, e := range entries {
		if !e.fetch.ended {
			b.attach(e, c)
		}
	}
	if w := b.wants[c]; w != nil {
		b.offer(w)
	}
}

// refuse notes that p does not have c. It returns false if p was not asked.
func (b *board) refuse(p *provider, c block.CID) bool {
	if !b.asked(p, c) {
		return false
	}
	a := b.answered(p, c)
	if a.want == nil {
		if w := b.wants[c]; w != nil {
			b.offer(w) // a new want may have waited for this answer
		}
		return true
	}
	for _, e := range a.want.entries {
		e.refuse(p)
	}
	b.unask(a)
	return true
}

func (e *entry) refuse(p *provider) {
	for i := range e.refused {
		if r := &e.refused[i]; r.by == p {
			r.times++
			r.stale = false
			return
		}
	}
	e.refused = append(e.refused, refusal{by: p, times: 1})
}

// forget lets the providers that refused e know that it is not wanted any more, when
// something else goes to them.
func (e *entry) forget() {
	c := e.want.cid
	for _, r := range e.refused {
		if r.by.asks[c] == nil { // else another fetch wants it
			r.by.cancels = append(r.by.cancels, c)
		}
	}
}

// have takes back a refusal of p. What was not refused, or is wanted no more, is passed over.
func (b *board) have(p *provider, c block.CID) {
	w := b.wants[c]
	if w == nil {
		return
	}
	for _, e := range w.entries {
		for i := range e.refused {
			if r := &e.refused[i]; r.by == p && !r.stale && r.times <= maxRetractions {
				r.stale = true
				b.again(e)
			}
		}
	}
	p.kick()
}

// unask takes a off its want, which is offered to others if a was the last.
func (b *board) unask(a *ask) {
	w := a.want
	w.asks = slices.DeleteFunc(w.asks, func(o *ask) bool { return o == a })
	b.offer(w)
}

// offer shows an open want to all who may be asked for it.
func (b *board) offer(w *want) {
	if !w.open() {
		return
	}
	for _, e := range slices.Clone(w.entries) {
		b.again(e)
		for _, l := range e.fetch.lanes {
			l.by.kick()
		}
	}
}

// again puts e in front of the lanes that passed it.
func (b *board) again(e *entry) {
	f := e.fetch
	if len(f.again) > 4*len(f.entries)+maxAsks { // mostly past: keep what still matters
		f.again = f.again[:0]
		for _, o := range f.entries {
			if o != e && !o.done && o.want.open() {
				f.again = append(f.again, o)
			}
		}
		for _, l := range f.lanes {
			l.again = 0
		}
	}
	f.again = append(f.again, e)
	b.recheck(e)
}

// lost takes back all asks of p, whose stream is gone, and returns how often in a row that was
// without an answer in between.
func (b *board) lost(p *provider) int {
	b.reclaim(p)
	p.failures++
	if !p.down && p.failures >= b.limits.attempts {
		p.down = true
		for _, l := range p.lanes {
			b.recheckAll(l.fetch)
		}
	}
	return p.failures
}

func (b *board) reclaim(p *provider) {
	asks := slices.SortedFunc(maps.Values(p.asks), func(x, y *ask) int { return cmp.Compare(x.seq, y.seq) })
	clear(p.asks)
	p.cancels, p.inUse = nil, 0
	p.window.pause()
	for _, a := range asks {
		b.use(a.fetch, -a.size)
		if a.want != nil {
			b.unask(a)
		} else if w := b.wants[a.cid]; w != nil {
			b.offer(w)
		}
	}
}

// verified ends the part of d that is common to its fetches. They want a bad block again.
func (b *board) verified(d *delivery) {
	if !d.good {
		b.wantAgain(d.cid, d.entries)
		return
	}
	for _, e := range d.entries {
		e.forget()
	}
}

// release says that f is through with d. Its bytes count to a fetch that still holds it, so that no
// fetch pays for the slow Put of another.
func (b *board) release(d *delivery, f *fetch) {
	n := int64(len(d.buf.data))
	b.use(d.holders[0], -n)
	d.holders = slices.DeleteFunc(d.holders, func(g *fetch) bool { return g == f })
	if len(d.holders) > 0 {
		b.use(d.holders[0], n)
		return
	}
	d.recycle()
}

// use changes what f has in flight or waiting for Put by n bytes. Freed memory wakes who waits for it.
func (b *board) use(f *fetch, n int64) {
	f.inUse += n
	b.inUse += n
	if n < 0 && b.starved {
		b.starved = false
		for _, p := range b.providers {
			p.kick()
		}
	}
}
