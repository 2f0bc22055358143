package exchange

import (
	"time"

	"github.com/weft-mesh/weft/block"
)

// outgoing is what a link has to send.
type outgoing struct {
	cancel []block.CID
	want   [2][]block.CID // by order: urgent, bulk
	again  time.Time      // when to look again though nobody wakes it; zero: never
}

func (o *outgoing) empty() bool {
	return len(o.cancel)+len(o.want[urgent])+len(o.want[bulk]) == 0
}

// pick decides what p is asked for next, and notes it as asked.
//
// Bulk wants go out only when a quarter of the window is free, many at a time; urgent ones
// do not wait for the window.
func (b *board) pick(p *provider, now time.Time) outgoing {
	o := outgoing{cancel: p.cancels}
	p.cancels = nil
	b.fill(p, urgent, now, &o)
	if p.inUse <= p.window.size*3/4 {
		b.fill(p, bulk, now, &o)
	}
	if len(p.asks) == 0 {
		b.steal(p, now, &o)
	}
	if len(p.asks) == 0 {
		p.window.pause()
	}
	return o
}

// fill takes open wants for p, one of each lane in turn, while there is room.
func (b *board) fill(p *provider, ord order, now time.Time, o *outgoing) {
	if ord == bulk {
		p.window.limited = false
	}
	for idle := 0; idle < len(p.lanes) && len(p.asks) < maxAsks; {
		l := p.lanes[p.turn%len(p.lanes)]
		f := l.fetch
		if f.order == bulk && ord == bulk && p.inUse > 0 && p.inUse+f.size > p.window.size {
			p.window.limited = true
			return
		}
		p.turn++
		if f.order != ord || f.ended || !b.fits(f) {
			idle++
			continue
		}
		e := l.next()
		if e == nil {
			idle++
			continue
		}
		idle = 0
		b.ask(p, e, now, o)
	}
}

// fits reports whether one more block of f fits into the memory: a fetch may use as
// much as it leaves free (the dynamic threshold of Choudhury and Hahne, IEEE/ACM Trans. Networking
// 1998), and always one block.
func (b *board) fits(f *fetch) bool {
	if f.inUse == 0 || f.inUse+f.size <= b.limits.memory-b.inUse {
		return true
	}
	b.starved = true
	return false
}

// next returns the next entry that the lane's provider may be asked for, nil if there is none.
// What came back from another provider goes first.
func (l *lane) next() *entry {
	f := l.fetch
	for l.again < len(f.again) {
		e := f.again[l.again]
		l.again++
		if e.want.open() && l.askable(e) {
			return e
		}
	}
	for l.fresh < len(f.entries) {
		e := f.entries[l.fresh]
		l.fresh++
		if e.want.open() && l.askable(e) {
			return e
		}
	}
	return nil
}

// askable reports whether the lane's provider may be asked for e: it did not refuse, and no earlier
// ask for the block, cancelled perhaps, waits for its answer.
func (l *lane) askable(e *entry) bool {
	return !e.done && !e.refusedBy(l.by) && l.by.asks[e.want.cid] == nil
}

func (b *board) ask(p *provider, e *entry, now time.Time, o *outgoing) {
	f, w := e.fetch, e.want
	b.seq++
	if len(p.asks) == 0 {
		p.pace.begin(now)
	}
	a := &ask{seq: b.seq, at: now, cid: w.cid, want: w, by: p, fetch: f, size: f.size}
	p.asks[w.cid] = a
	p.inUse += a.size
	b.use(f, a.size)
	w.asks = append(w.asks, a)
	for _, e := range w.entries {
		b.recheck(e)
	}
	o.want[f.order] = append(o.want[f.order], w.cid)
}

// steal gives p, which has nothing to do, asks of the busiest other provider of one of its fetches, from the end: the two meet in
// the middle. So the last blocks of a fetch do not wait for its slowest provider.
func (b *board) steal(p *provider, now time.Time, o *outgoing) {
	for _, l := range p.lanes {
		f := l.fetch
		if f.ended {
			continue
		}
		var best []*entry
		for _, m := range f.lanes {
			if m.by == p || len(m.by.asks) == 0 {
				continue
			}
			late, again := l.late(m.by, now)
			if len(late) > len(best) {
				best = late
			}
			if !again.IsZero() && (o.again.IsZero() || again.Before(o.again)) {
				o.again = again
			}
		}
		for _, e := range best {
			if len(p.asks) > 0 && p.inUse+f.size > p.window.size || !b.fits(f) {
				break
			}
			b.ask(p, e, now, o)
		}
		if len(best) > 0 {
			return
		}
	}
}
