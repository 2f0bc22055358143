package nodetest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
)

// Line is a site's line to the network.
type Line struct {
	Bits    int           // a second, each way
	Latency time.Duration // one way, over that of the distance
}

// Net is a network of up to 250 sites. Between any two of them lies a distance of 10 to 40 ms one way, which
// follows from the seed. What it carries is QUIC; packets between two sites keep their order.
type Net struct {
	sim  *simnet.Simnet // whose endpoints are made one at a time
	seed uint64

	mu      sync.Mutex
	chance  *rand.Rand
	lines   map[int]Line
	cut     map[[2]int]int // how often
	off     map[int]bool
	loss    float64
	packets int
}

// lost is a latency beyond the end of any test.
const lost = 10000 * time.Hour

// NewNet returns a network without sites.
func NewNet(seed uint64) *Net {
	n := &Net{
		seed: seed, chance: rand.New(rand.NewPCG(seed, 1)),
		lines: map[int]Line{}, cut: map[[2]int]int{}, off: map[int]bool{},
	}
	n.sim = &simnet.Simnet{LatencyFunc: n.latency, Logger: slog.New(slog.DiscardHandler)}
	n.sim.Start()
	return n
}

// Close ends the network, after the hosts on it.
func (n *Net) Close() { n.sim.Close() }

// addr returns the address at which a site listens.
func (n *Net) addr(site int) string { return fmt.Sprintf("/ip4/1.0.0.%d/udp/4801/quic-v1", site+1) }

// siteAt is the inverse of addr.
func siteAt(a net.Addr) int { return int(a.(*net.UDPAddr).IP.To4()[3]) - 1 }

// join returns what connects a host to the network, for node.Options.
func (n *Net) join(site int, l Line) libp2p.Option {
	n.mu.Lock()
	n.lines[site] = l
	n.mu.Unlock()
	way := simnet.LinkSettings{BitsPerSecond: l.Bits}
	return libp2p.ChainOptions(
		libp2p.Transport(libp2pquic.NewTransport),
		simlibp2p.QUICSimnet(n.sim, simnet.NodeBiDiLinkSettings{Downlink: way, Uplink: way}),
	)
}

// latency is asked for each packet.
func (n *Net) latency(p *simnet.Packet) time.Duration {
	from, to := siteAt(p.From), siteAt(p.To)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.packets++
	if n.off[from] || n.off[to] || n.cut[pair(from, to)] > 0 || n.loss > 0 && n.chance.Float64() < n.loss {
		return lost
	}
	return n.distance(from, to) + n.lines[from].Latency + n.lines[to].Latency
}

func (n *Net) distance(a, b int) time.Duration {
	p := pair(a, b)
	r := rand.New(rand.NewPCG(n.seed, uint64(2+p[0]<<16+p[1])))
	return 10*time.Millisecond + time.Duration(r.Int64N(int64(30*time.Millisecond)))
}

func pair(a, b int) [2]int { return [2]int{min(a, b), max(a, b)} }

// Cut cuts the way between two sites. Nobody is told: packets are lost.
func (n *Net) Cut(a, b int) { n.count(a, b, 1) }

// Mend takes one Cut back.
func (n *Net) Mend(a, b int) { n.count(a, b, -1) }

func (n *Net) count(a, b, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[pair(a, b)] += by
}

// Unplug cuts a site's line, or plugs it in again.
func (n *Net) Unplug(site int, off bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.off[site] = off
}

// SetLoss loses that part of all packets, by chance.
func (n *Net) SetLoss(part float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = part
}

// Packets returns how many have been sent.
func (n *Net) Packets() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.packets
}
