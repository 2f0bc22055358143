package sim

import (
	"math/rand/v2"
	"time"

	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/intake"
)

const (
	dialDelay   = 100 * time.Millisecond // least time until two sites that can reach each other are connected
	dialSpread  = 2 * time.Second        // and up to so much more
	detectDelay = 5 * time.Second        // until a connection without answers is given up
)

// network carries messages and artifacts between sites.
type network struct {
	w       *World
	n       int
	rng     *rand.Rand
	paths   []Path  // from*n+to
	cuts    []uint8 // faults that cut a pair, at both orders
	joined  []bool  // connected, at both orders
	anyCut  int     // pairs that are cut
	loss    float64 // of messages, over the paths' own
	double  float64
	delay   time.Duration
	up      []time.Duration // until when a site's link is taken
	down    []time.Duration
	bytes   []int64 // carried, from*n+to: messages and blocks
	decided uint64  // changes of ledgers
}

func newNetwork(w *World) *network {
	n := len(w.sites)
	t := &network{
		w: w, n: n, rng: rand.New(rand.NewPCG(w.cfg.Seed, 2)), paths: make([]Path, n*n), cuts: make([]uint8, n*n), joined: make([]bool, n*n),
		up: make([]time.Duration, n), down: make([]time.Duration, n), bytes: make([]int64, n*n),
	}
	for a := range n {
		for b := range n {
			if a != b {
				t.paths[a*n+b] = w.cfg.Path(a, b)
			}
		}
	}
	return t
}

// started has a site's process connect to those it can reach.
func (t *network) started(s *site) {
	for _, o := range t.w.sites {
		if o != s && o.up {
			t.dial(s, o)
		}
	}
}

// stopped ends a site's connections; the others notice after the time of a reset.
func (t *network) stopped(s *site) {
	for _, o := range t.w.sites {
		if t.joined[s.i*t.n+o.i] {
			t.part(s, o, t.paths[s.i*t.n+o.i].Latency)
		}
	}
}

// dial connects two sites after a while, if they can reach each other then.
func (t *network) dial(a, b *site) {
	lifeA, lifeB := a.life, b.life
	t.w.after(dialDelay+time.Duration(t.rng.Int64N(int64(dialSpread))), func() {
		if a.life != lifeA || b.life != lifeB || !a.up || !b.up || t.joined[a.i*t.n+b.i] || t.cuts[a.i*t.n+b.i] > 0 || !t.linked(a, b) || a.bans(b) || b.bans(a) {
			return
		}
		t.joined[a.i*t.n+b.i], t.joined[b.i*t.n+a.i] = true, true
		a.happen(round.Connected{Peer: b.id})
		b.happen(round.Connected{Peer: a.id})
		a.retryFetches()
		b.retryFetches()
	})
}

// part ends the connection of two sites, which those that are up notice after a delay.
func (t *network) part(a, b *site, notice time.Duration) {
	t.joined[a.i*t.n+b.i], t.joined[b.i*t.n+a.i] = false, false
	for _, pair := range [][2]*site{{a, b}, {b, a}} {
		s, gone := pair[0], pair[1]
		life := s.life
		t.w.after(notice, func() {
			if s.up && s.life == life && !t.joined[s.i*t.n+gone.i] {
				s.happen(round.Disconnected{Peer: gone.id})
			}
		})
	}
}

// cut stops all that goes between two sites; the connection is given up after a while.
func (t *network) cut(a, b *site) {
	t.cuts[a.i*t.n+b.i]++
	t.cuts[b.i*t.n+a.i]++
	if t.cuts[a.i*t.n+b.i] > 1 {
		return
	}
	t.anyCut++
	t.w.after(detectDelay, func() {
		if t.cuts[a.i*t.n+b.i] > 0 && t.joined[a.i*t.n+b.i] {
			t.part(a, b, 0)
		}
	})
}

// heal undoes one cut.
func (t *network) heal(a, b *site) {
	t.cuts[a.i*t.n+b.i]--
	t.cuts[b.i*t.n+a.i]--
	if t.cuts[a.i*t.n+b.i] > 0 {
		return
	}
	t.anyCut--
	if !t.joined[a.i*t.n+b.i] && a.up && b.up {
		t.dial(a, b)
	}
}

// reaches reports whether two sites are connected and nothing cuts them.
func (t *network) reaches(a, b int) bool { return t.joined[a*t.n+b] && t.cuts[a*t.n+b] == 0 }

// arrives reports whether what was sent to a site gets there: the last link still stands.
func (t *network) arrives(from int, to *site) bool {
	return from < 0 || t.cuts[from*t.n+to.i] == 0
}

// send sends a message to one site or, over gossip, to all.
func (t *network) send(from *site, s round.Send) {
	size := int64(len(s.Message.Encode()))
	ev := round.Received{From: from.id, Message: s.Message, Bytes: int(size)}
	if s.To != "" {
		if to, known := t.w.index[s.To]; known && t.reaches(from.i, to) {
			t.carry(from.i, from.i, to, 0, size, ev)
		}
		return
	}
	if t.anyCut == 0 {
		for to := range t.n {
			if t.joined[from.i*t.n+to] {
				t.carry(from.i, from.i, to, 0, size, ev)
			}
		}
		return
	}
	t.gossip(from, size, ev)
}

// gossip carries a message from site to site around cut links.
func (t *network) gossip(from *site, size int64, ev round.Event) {
	seen := make([]bool, t.n)
	seen[from.i] = true
	type hop struct {
		at    int
		delay time.Duration
	}
	for line := []hop{{from.i, 0}}; len(line) > 0; line = line[1:] {
		h := line[0]
		for to := range t.n {
			if !seen[to] && t.reaches(h.at, to) {
				seen[to] = true
				t.carry(from.i, h.at, to, h.delay, size, ev)
				line = append(line, hop{to, h.delay + t.paths[h.at*t.n+to].Latency})
			}
		}
	}
}

// carry delivers a message over one link, unless it is lost; author is who sends it, by who relays it.
func (t *network) carry(author, by, to int, delay time.Duration, size int64, ev round.Event) {
	p := &t.paths[by*t.n+to]
	t.bytes[by*t.n+to] += size
	from, dest := &t.w.sites[author].traffic, t.w.sites[to]
	from.MessagesSent++
	from.MessageBytesSent += size
	copies := 1
	if loss := p.Loss + t.loss; loss > 0 && t.rng.Float64() < loss {
		return
	}
	if double := p.Duplicate + t.double; double > 0 && t.rng.Float64() < double {
		copies = 2
	}
	dest.traffic.MessagesReceived++
	dest.traffic.MessageBytesReceived += size
	for range copies {
		d := delay + p.Latency + t.delay
		if p.Bandwidth > 0 {
			d += time.Duration(float64(size) / p.Bandwidth * float64(time.Second))
		}
		if p.Jitter > 0 {
			d += time.Duration(t.rng.Int64N(int64(p.Jitter)))
		}
		t.w.queue.push(event{at: t.w.now + d, to: dest, life: dest.life, from: int32(by), ev: ev})
	}
}

// relay carries a message to a site, which passes it on to those that it reaches if it finds it good, each of whom does likewise,
// once. Who brings it is its neighbour, not its author.
func (t *network) relay(by, to *site, m *round.Message, size int, passed map[int]bool) {
	if !t.reaches(by.i, to.i) {
		return
	}
	by.traffic.MessagesSent++
	by.traffic.MessageBytesSent += int64(size)
	life := to.life
	t.w.after(t.paths[by.i*t.n+to.i].Latency+t.delay, func() {
		if to.life != life || !to.up || passed[to.i] || !t.arrives(by.i, to) {
			return
		}
		passed[to.i] = true
		r := round.Received{From: by.id, Message: m, Bytes: size}
		verdict := to.judge(&r)
		if verdict < intake.Keep {
			return
		}
		to.happen(r)
		if verdict < intake.Relay {
			return
		}
		for _, next := range t.w.sites {
			if !passed[next.i] {
				t.relay(to, next, m, size, passed)
			}
		}
	})
}

// transfer takes bytes from one site to another and returns how long it lasts: as long as the
// slowest of the sender's link, the path and the receiver's link, each of which serves one after the other.
func (t *network) transfer(from, to *site, bytes int64) time.Duration {
	p := &t.paths[from.i*t.n+to.i]
	done := t.w.now
	take := func(until *time.Duration, rate float64) {
		if rate > 0 {
			*until = max(*until, t.w.now) + time.Duration(float64(bytes)/rate*float64(time.Second))
			done = max(done, *until)
		}
	}
	take(&t.up[from.i], from.Up)
	take(&t.down[to.i], to.Down)
	if p.Bandwidth > 0 {
		done = max(done, t.w.now+time.Duration(float64(bytes)/p.Bandwidth*float64(time.Second)))
	}
	return done - t.w.now + 2*(p.Latency+t.delay) // to ask, and for the last byte
}

// account counts a transfer that has ended.
func (t *network) account(from, to *site, bytes int64) {
	t.bytes[from.i*t.n+to.i] += bytes
	from.traffic.BlockBytesSent += bytes
	to.traffic.BlockBytesReceived += bytes
}

// Traffic returns what a site has sent and received.
func (w *World) Traffic(site int) Traffic { return w.sites[site].traffic }

// LinkBytes returns the bytes that one site has sent another, messages and blocks.
func (w *World) LinkBytes(from, to int) int64 { return w.net.bytes[from*w.net.n+to] }
