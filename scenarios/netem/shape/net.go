package shape

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Access is how a site is connected: bytes a second, 0 for no limit.
type Access struct {
	Up, Down int64
}

// Path is what lies between two sites, in one direction.
type Path struct {
	Latency   time.Duration
	Jitter    time.Duration // added to the latency, evenly distributed from nothing to this
	Loss      float64       // the share of packets
	Duplicate float64
	Bandwidth int64 // bytes a second of this pair alone; 0: no limit
}

// Traffic is what a path has carried.
type Traffic struct {
	Bytes   int64 // that got through
	Packets int64 // that got through; reads of a stream, on a Proxy
	Lost    int64 // packets
}

// Net is the links between sites. They may be changed at any time.
type Net struct {
	mu    sync.Mutex
	rand  *rand.Rand
	up    []meter
	down  []meter
	paths [][]path      // [from][to]
	after chan struct{} // closed, and made anew, when a link is no longer cut
}

type path struct {
	Path
	cut     bool
	meter   meter
	jitter  time.Duration // now
	drawn   time.Time     // when jitter was
	last    time.Time     // when the latest packet arrives
	traffic Traffic
}

const (
	queueTime  = 200 * time.Millisecond // how long what waits for a link may wait
	jitterTime = 50 * time.Millisecond  // how long a path's jitter stays as it is
	segment    = 1460                   // bytes of a stream in a packet
)

// New returns the links between as many sites as access lists. What is lost and by how much
// packets are late follows from the seed and the traffic.
func New(access []Access, between func(from, to int) Path, seed uint64) *Net {
	n := &Net{rand: rand.New(rand.NewPCG(seed, 0)), after: make(chan struct{})}
	for _, a := range access {
		n.up, n.down = append(n.up, meter{rate: a.Up}), append(n.down, meter{rate: a.Down})
	}
	for from := range access {
		row := make([]path, len(access))
		for to := range row {
			if to != from {
				row[to].Path = between(from, to)
				row[to].meter.rate = row[to].Bandwidth
			}
		}
		n.paths = append(n.paths, row)
	}
	return n
}

// Sites returns how many sites there are.
func (n *Net) Sites() int { return len(n.up) }

// SetPath changes what lies between two sites, in one direction.
func (n *Net) SetPath(from, to int, p Path) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paths[from][to].Path, n.paths[from][to].meter.rate = p, p.Bandwidth
}

// SetAccess changes how a site is connected.
func (n *Net) SetAccess(site int, a Access) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up[site].rate, n.down[site].rate = a.Up, a.Down
}

// SetCut says which pairs of sites are cut off from each other, in one direction; all others are not.
func (n *Net) SetCut(cut func(from, to int) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for from := range n.paths {
		for to := range n.paths[from] {
			n.paths[from][to].cut = cut(from, to)
		}
	}
	close(n.after)
	n.after = make(chan struct{})
}

// Traffic returns what went from one site to another.
func (n *Net) Traffic(from, to int) Traffic {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.paths[from][to].traffic
}

// leave returns when a packet of the site has passed its uplink.
func (n *Net) leave(from, size int, now time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up[from].pass(now, size)
}

// enter returns when a packet that came at a time has passed its site's downlink, and whether it is now
// too late for the queue there.
func (n *Net) enter(to, size int, came, now time.Time) (_ time.Time, full bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := &n.down[to]
	if m.rate > 0 && now.Sub(came) > queueTime {
		return now, true
	}
	return m.pass(now, size), false
}

// cross returns when a packet arrives at the other site's downlink, once for each time that it does: not
// if it is lost, twice if it is duplicated.
func (n *Net) cross(from, to, size int, now time.Time) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &n.paths[from][to]
	if p.cut || p.meter.wait(now) > queueTime || n.chance(p.Loss) {
		p.traffic.Lost++
		return nil
	}
	p.traffic.Bytes += int64(size)
	p.traffic.Packets++
	times := []time.Time{n.arrival(p, size, now)}
	if n.chance(p.Duplicate) {
		times = append(times, n.arrival(p, size, now))
	}
	return times
}

// stream is cross for the bytes of a stream, of which none are lost: the time of a packet's repair is added instead.
func (n *Net) stream(from, to, size int, now time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &n.paths[from][to]
	p.traffic.Bytes += int64(size)
	p.traffic.Packets++
	for range (size + segment - 1) / segment {
		if n.chance(p.Loss) {
			p.traffic.Lost++
			now = now.Add(p.Latency + n.paths[to][from].Latency)
		}
	}
	return n.arrival(p, size, now)
}

// arrival is when what is put on a path now arrives; n.mu is held.
func (n *Net) arrival(p *path, size int, now time.Time) time.Time {
	at := p.meter.pass(now, size).Add(p.Latency)
	if p.Jitter > 0 && now.Sub(p.drawn) >= jitterTime {
		p.jitter, p.drawn = time.Duration(n.rand.Int64N(int64(p.Jitter)+1)), now
	}
	at = at.Add(min(p.jitter, p.Jitter))
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	return at
}

func (n *Net) chance(p float64) bool { return p > 0 && n.rand.Float64() < p }

// roundTrip is how long it takes from one site to another and back.
func (n *Net) roundTrip(a, b int) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.paths[a][b].Latency + n.paths[b][a].Latency
}

// opening returns nil if two sites can reach each other, otherwise a channel that is closed when that may have changed.
func (n *Net) opening(from, to int) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.paths[from][to].cut || n.paths[to][from].cut {
		return n.after
	}
	return nil
}

// window is how many bytes of a stream are on the way at one time, at most: what the path holds, and a queue.
func (n *Net) window(from, to int) int {
	const least, most = 64 << 10, 4 << 20
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &n.paths[from][to]
	rate := int64(0)
	for _, r := range []int64{n.up[from].rate, p.Bandwidth, n.down[to].rate} {
		if r > 0 && (rate == 0 || r < rate) {
			rate = r
		}
	}
	if rate == 0 {
		return most
	}
	held := float64(rate) * (p.Latency + p.Jitter + queueTime/2).Seconds()
	return int(min(max(held, least), most))
}
