package exchange

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/weft-mesh/weft/block"
)

// boardModel drives a board with random fetches, providers and answers, and compares what
// comes out with what the providers hold.
type boardModel struct {
	t     *rapid.T
	b     *board
	cids  []block.CID
	holds map[peer.ID]map[block.CID]bool
	all   []peer.ID
	now   time.Time

	running []*fetch                     // in the order of their start
	fetches map[*fetch]map[block.CID]int // how often each block came
	wanted  map[*fetch][]block.CID
	offered map[*fetch][]peer.ID
	gone    map[peer.ID]bool // dropped
	judged  map[*fetch]bool  // ended, and what was missing is checked
	settled map[*delivery]bool
	hands   []inHand
	limit   int64
}

// inHand is a block that a worker of a fetch verifies and puts.
type inHand struct {
	f *fetch
	d *delivery
}

const modelBlock = 100 // bytes

func newBoardModel(t *rapid.T) *boardModel {
	m := &boardModel{
		t: t, cids: someCIDs(40), now: time.Unix(1, 0), limit: 4000,
		holds:   make(map[peer.ID]map[block.CID]bool),
		fetches: make(map[*fetch]map[block.CID]int),
		wanted:  make(map[*fetch][]block.CID),
		offered: make(map[*fetch][]peer.ID),
		gone:    make(map[peer.ID]bool),
		judged:  make(map[*fetch]bool),
		settled: make(map[*delivery]bool),
	}
	m.b = newBoard(limits{memory: m.limit, window: 500, maxWindow: 2000, attempts: 3})
	for i := range rapid.IntRange(1, 5).Draw(t, "providers") {
		id := peer.ID(fmt.Sprint("p", i))
		m.all = append(m.all, id)
		m.holds[id] = make(map[block.CID]bool)
		has := rapid.Uint64().Draw(t, "has") | rapid.Uint64().Draw(t, "and has")
		for j, c := range m.cids {
			m.holds[id][c] = has>>j&1 == 1
		}
	}
	return m
}

func (m *boardModel) pickProvider() (*provider, bool) {
	ids := slices.Sorted(maps.Keys(m.b.providers))
	if len(ids) == 0 {
		return nil, false
	}
	return m.b.providers[rapid.SampledFrom(ids).Draw(m.t, "provider")], true
}

func (m *boardModel) start(*rapid.T) {
	if len(m.fetches) == 4 {
		return
	}
	var want []block.CID
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(m.cids)-1), 0, len(m.cids), rapid.ID).Draw(m.t, "wants") {
		want = append(want, m.cids[i])
	}
	f := newFetch(m.b, order(rapid.IntRange(0, 1).Draw(m.t, "urgent")))
	f.size = modelBlock
	m.b.join(f, want)
	m.running = append(m.running, f)
	m.fetches[f], m.wanted[f] = make(map[block.CID]int), want
	for _, id := range m.all {
		if !m.gone[id] && rapid.Bool().Draw(m.t, "offer") {
			m.offer(f, id)
		}
	}
	f.more = false
	m.b.settle(f)
}

func (m *boardModel) offer(f *fetch, id peer.ID) {
	p, _ := m.b.provider(id)
	m.b.enlist(f, p)
	m.offered[f] = append(m.offered[f], id)
}

// ask is the link's part: send what the board picks.
func (m *boardModel) ask(*rapid.T) {
	p, ok := m.pickProvider()
	if !ok {
		return
	}
	before := len(p.asks)
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{0, time.Millisecond, patience}).Draw(m.t, "wait"))
	o := m.b.pick(p, m.now)
	sent := append(slices.Clone(o.want[urgent]), o.want[bulk]...)
	if len(p.asks) != before+len(sent) {
		m.t.Fatalf("%d asks, were %d, sent %d", len(p.asks), before, len(sent))
	}
	if len(sent) != len(slices.Compact(slices.SortedFunc(slices.Values(sent), block.CID.Compare))) {
		m.t.Fatal("asked twice for one block")
	}
}

// answer is the provider's part, honest but for its speed.
func (m *boardModel) answer(t *rapid.T) {
	p, ok := m.pickProvider()
	if !ok || len(p.asks) == 0 {
		return
	}
	cids := slices.SortedFunc(maps.Keys(p.asks), block.CID.Compare)
	c := cids[rapid.IntRange(0, len(cids)-1).Draw(m.t, "answered")]
	if !m.holds[p.id][c] {
		m.b.refuse(p, c)
		return
	}
	m.now = m.now.Add(time.Millisecond)
	m.b.arrive(p, c, &buffer{data: make([]byte, modelBlock)}, func() {}, m.now)
}

// take is the first half of a worker's part: a block is in its hands.
func (m *boardModel) take(*rapid.T) {
	for _, f := range m.running {
		if !f.ended && len(f.inbox) > 0 {
			m.hands = append(m.hands, inHand{f, f.inbox[0]})
			f.inbox = f.inbox[1:]
			return
		}
	}
}

// work is the other half: verify and put. The fetch may have left meanwhile.
func (m *boardModel) work(*rapid.T) {
	if len(m.hands) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.hands)-1).Draw(m.t, "worker")
	f, d := m.hands[i].f, m.hands[i].d
	m.hands = slices.Delete(m.hands, i, i+1)
	if !m.settled[d] {
		m.settled[d] = true
		d.good = rapid.IntRange(0, 9).Draw(m.t, "good") > 0
		if !d.good {
			m.gone[d.by.id] = true
			m.b.dismiss(d.by)
		}
		m.b.verified(d)
	}
	if got := m.fetches[f]; d.good && got != nil {
		got[d.cid]++
		for _, e := range d.entries {
			if e.fetch == f {
				e.done = true
			}
		}
		f.left--
		m.b.settle(f)
	}
	m.b.release(d, f)
}

func (m *boardModel) lose(*rapid.T) {
	if p, ok := m.pickProvider(); ok && rapid.IntRange(0, 3).Draw(m.t, "lose") == 0 {
		m.b.lost(p)
	}
}

// gain: a provider gets a block, and says so.
func (m *boardModel) gain(*rapid.T) {
	if p, ok := m.pickProvider(); ok {
		c := m.cids[rapid.IntRange(0, len(m.cids)-1).Draw(m.t, "gained")]
		m.holds[p.id][c] = true
		m.b.have(p, c)
	}
}

func (m *boardModel) enlistAgain(*rapid.T) {
	if len(m.running) == 0 {
		return
	}
	f, id := m.running[0], rapid.SampledFrom(m.all).Draw(m.t, "again")
	if !m.gone[id] && !f.ended {
		m.offer(f, id)
	}
}

func (m *boardModel) leave(*rapid.T) {
	for _, f := range m.running {
		if f.ended || rapid.IntRange(0, 9).Draw(m.t, "leave") == 0 {
			m.finish(f)
			return
		}
	}
}

// finish checks what a fetch got.
func (m *boardModel) finish(f *fetch) {
	u, _ := f.err.(*Unavailable)
	if f.ended && u == nil {
		for _, c := range m.wanted[f] {
			if m.fetches[f][c] != 1 {
				m.t.Fatalf("ended well with %s %d times", c, m.fetches[f][c])
			}
		}
	}
	if u != nil && len(u.Missing)+len(m.fetches[f]) != len(m.wanted[f]) {
		m.t.Fatalf("%d missing and %d got of %d", len(u.Missing), len(m.fetches[f]), len(m.wanted[f]))
	}
	m.b.leave(f, m.now)
	delete(m.fetches, f)
	m.running = slices.DeleteFunc(m.running, func(g *fetch) bool { return g == f })
}

// check holds after every step.
func (m *boardModel) check(t *rapid.T) {
	m.judge()
	var use int64
	for _, f := range m.running {
		use += f.inUse
		missing, left := 0, 0
		for _, e := range f.entries {
			if e.done {
				continue
			}
			left++
			if e.missing {
				missing++
				if !e.want.open() {
					t.Fatal("missing, but asked for or here")
				}
			}
			if !slices.Contains(e.want.entries, e) {
				t.Fatal("an entry that its want does not know")
			}
		}
		if missing != f.missing || left != f.left {
			t.Fatalf("missing %d counted %d, left %d counted %d", missing, f.missing, left, f.left)
		}
	}
	for _, p := range m.b.providers {
		var in int64
		for c, a := range p.asks {
			in += a.size
			if a.want != nil && (a.want.cid != c || !slices.Contains(a.want.asks, a) || a.want.arrived) {
				t.Fatal("an ask that its want does not know")
			}
			if _, known := m.fetches[a.fetch]; !known {
				use += a.size // of a fetch that has left; the answer is still on its way
			}
		}
		if in != p.inUse {
			t.Fatalf("provider in use %d, counted %d", p.inUse, in)
		}
	}
	if m.b.inUse > m.limit+int64(4*modelBlock) { // each of 4 fetches may always have one
		t.Fatalf("%d bytes in use, at most %d", m.b.inUse, m.limit)
	}
	for c, w := range m.b.wants {
		if w.cid != c || len(w.entries) == 0 || len(w.asks) > maxAskers {
			t.Fatalf("want %s: %d entries, %d asks", c, len(w.entries), len(w.asks))
		}
	}
}

// drain lets all work happen until every fetch has ended.
func (m *boardModel) drain() {
	for range 20000 {
		busy := false
		for _, f := range m.running {
			busy = busy || !f.ended
		}
		if !busy {
			break
		}
		for _, id := range slices.Sorted(maps.Keys(m.b.providers)) {
			p := m.b.providers[id]
			m.now = m.now.Add(patience)
			m.b.pick(p, m.now)
			for _, c := range slices.SortedFunc(maps.Keys(p.asks), block.CID.Compare) {
				if m.holds[id][c] {
					m.b.arrive(p, c, &buffer{data: make([]byte, modelBlock)}, func() {}, m.now)
				} else {
					m.b.refuse(p, c)
				}
				m.judge()
				break
			}
		}
		m.take(nil)
		m.work(nil)
		m.judge()
	}
	for len(m.running) > 0 {
		f := m.running[0]
		if !f.ended {
			m.t.Fatalf("stuck: %d left, %d missing", f.left, f.missing)
		}
		m.finish(f)
	}
	for len(m.hands) > 0 {
		m.work(nil)
	}
	for _, p := range m.b.providers {
		m.b.lost(p) // answers to cancelled asks will not come
	}
	if m.b.inUse != 0 || len(m.b.wants) != 0 {
		m.t.Fatalf("left behind: %d bytes, %d wants", m.b.inUse, len(m.b.wants))
	}
}

// judge checks what the fetches that have just ended call missing.
func (m *boardModel) judge() {
	for _, f := range m.running {
		if u, ok := f.err.(*Unavailable); ok && !m.judged[f] {
			m.reallyMissing(f, u)
		}
		m.judged[f] = f.ended
	}
}

// reallyMissing: a provider that never failed and holds a block would have been asked for it.
func (m *boardModel) reallyMissing(f *fetch, u *Unavailable) {
	for _, c := range u.Missing {
		for _, id := range m.offered[f] {
			p := m.b.providers[id]
			e := f.entries[slices.Index(m.wanted[f], c)]
			if m.holds[id][c] && !m.gone[id] && !p.down && !slices.ContainsFunc(e.refused, func(r refusal) bool { return r.by == p }) {
				m.t.Fatalf("%s is called missing, %s has it", c, id)
			}
		}
	}
}

func TestBoard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newBoardModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "start": m.start, "ask": m.ask, "answer": m.answer, "take": m.take, "work": m.work,
			"lose": m.lose, "gain": m.gain, "enlist": m.enlistAgain, "leave": m.leave,
		})
		m.drain()
	})
}

// The last ask of a fetch goes to a second provider at once if that one has delivered before, else when it
// takes long; the board says when.
func TestEndGameHasPatience(t *testing.T) {
	begin := time.Unix(1, 0)
	cids := someCIDs(3)
	b := newBoard(limits{memory: 1 << 30, window: 8 << 20, maxWindow: 8 << 20, attempts: 3})
	f := newFetch(b, bulk)
	b.join(f, cids)
	slow, _ := b.provider("slow")
	idle, _ := b.provider("idle")
	b.enlist(f, slow)
	if o := b.pick(slow, begin); len(o.want[bulk]) != 3 {
		t.Fatalf("asked for %d blocks", len(o.want[bulk]))
	}
	b.enlist(f, idle)
	o := b.pick(idle, begin.Add(patience/2))
	if !o.empty() || !o.again.Equal(begin.Add(patience)) {
		t.Fatalf("asked too soon: %+v", o)
	}
	if o = b.pick(idle, o.again); len(o.want[bulk]) != 2 {
		t.Fatalf("took over %d asks of 3, want the last two", len(o.want[bulk]))
	}
	for _, c := range o.want[bulk] {
		b.arrive(idle, c, &buffer{data: make([]byte, 1)}, func() {}, begin)
	}
	f.from[idle.id] = Count{Blocks: 2} // through Put
	if o = b.pick(idle, begin); !o.empty() || !o.again.Equal(begin.Add(worth)) {
		t.Fatalf("asked twice to gain nothing: %+v", o)
	}
	if o = b.pick(idle, o.again); len(o.want[bulk]) != 1 {
		t.Fatalf("a provider that delivers waits: %+v", o)
	}
}

// Of what a provider was asked for, another that has nothing to do takes over just what it brings earlier, by how fast both have
// been; and all that it can when nothing comes any more.
func TestEndGameByPace(t *testing.T) {
	for _, c := range []struct {
		name       string
		busy, idle time.Duration // for a block
		silent     time.Duration
		want       int
	}{
		{"alike", time.Second, time.Second, 0, 2},
		{"quick ones", 10 * time.Millisecond, 10 * time.Millisecond, 0, 0},
		{"a slower one helps", time.Second, 3500 * time.Millisecond, 0, 1},
		{"a much slower one does not", time.Second, 5 * time.Second, 0, 0},
		{"a faster one", time.Second, 100 * time.Millisecond, 0, 4},
		{"a quick one that fell silent", 10 * time.Millisecond, 10 * time.Millisecond, 5 * time.Second, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, cids := time.Unix(1, 0), someCIDs(12)
			b := newBoard(limits{memory: 1 << 30, window: 4 * firstGuess, maxWindow: 4 * firstGuess, attempts: 3})
			f := newFetch(b, bulk)
			b.join(f, cids)
			busy, _ := b.provider("busy")
			idle, _ := b.provider("idle")
			deliver := func(p *provider, n int, each time.Duration) {
				b.enlist(f, p)
				for _, c := range b.pick(p, now).want[bulk][:n] {
					now = now.Add(each)
					b.arrive(p, c, &buffer{data: make([]byte, firstGuess)}, func() {}, now)
				}
				f.from[p.id] = Count{Blocks: n}
			}
			deliver(busy, 4, c.busy)
			deliver(idle, 4, c.idle)
			now = now.Add(time.Minute) // what nobody is asked for is nobody's slowness
			if n := len(b.pick(busy, now).want[bulk]); n != 4 {
				t.Fatalf("the busy one is asked for %d blocks", n)
			}
			o := b.pick(idle, now.Add(c.silent))
			if len(o.want[bulk]) != c.want {
				t.Errorf("took over %d blocks, want %d", len(o.want[bulk]), c.want)
			}
			if c.want < 4 && o.again.IsZero() {
				t.Error("never looks again")
			}
		})
	}
}

// A block that is on its way and will soon be here is not asked for again; one that comes too slowly is.
func TestEndGameLetsArrive(t *testing.T) {
	begin := time.Unix(1, 0)
	cids := someCIDs(1)
	b := newBoard(limits{memory: 1 << 30, window: 8 << 20, maxWindow: 8 << 20, attempts: 3})
	f := newFetch(b, bulk)
	b.join(f, cids)
	owner, _ := b.provider("owner")
	idle, _ := b.provider("idle")
	b.enlist(f, owner)
	b.pick(owner, begin)
	b.enlist(f, idle)
	if b.comes(idle, cids[0], &arrival{}) {
		t.Error("it comes from who was not asked")
	}
	a := &arrival{pulse: &pulse{}, begun: begin, size: 1 << 20}
	if !b.comes(owner, cids[0], a) {
		t.Fatal("it was not asked for")
	}
	a.pulse.read.Store(1 << 18) // a quarter after 0.6 s: 1.8 s are left
	now := begin.Add(600 * time.Millisecond)
	if o := b.pick(idle, now); !o.empty() || !o.again.Equal(now.Add(patience)) {
		t.Fatalf("asked for what is coming: %+v", o)
	}
	now = now.Add(patience) // nothing has come since: 3.3 s are left
	if o := b.pick(idle, now); len(o.want[bulk]) != 1 {
		t.Fatalf("waits for what comes slowly: %+v", o)
	}
}
