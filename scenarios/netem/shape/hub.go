package shape

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	maxPacket = 1 << 16  // bytes
	maxHeld   = 64 << 20 // bytes on the way to one site
)

// Port is where a site's packets come and go: one IPv4 packet a read, one a write.
type Port struct {
	Addr   netip.Addr // what is sent to this address arrives here
	Device io.ReadWriteCloser
}

// Hub carries IPv4 packets between ports over the links of a net. Port i is site i's.
type Hub struct {
	net   *Net
	ports []Port
	sites map[netip.Addr]int
	queue []*queue
}

// NewHub returns a hub, which owns the ports' devices.
func NewHub(n *Net, ports []Port) (*Hub, error) {
	if len(ports) != n.Sites() {
		return nil, fmt.Errorf("%d ports for %d sites", len(ports), n.Sites())
	}
	h := &Hub{net: n, ports: ports, sites: map[netip.Addr]int{}}
	for i, p := range ports {
		h.sites[p.Addr] = i
		h.queue = append(h.queue, &queue{more: make(chan struct{}, 1)})
	}
	return h, nil
}

// Run carries packets until ctx ends, then closes the devices and returns nil; or an error of a device.
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range h.ports {
		g.Go(func() error { return h.read(ctx, i) })
		g.Go(func() error { return h.write(ctx, i) })
	}
	stop := context.AfterFunc(ctx, func() {
		for _, p := range h.ports {
			_ = p.Device.Close() // ends its reads
		}
	})
	defer stop()
	return g.Wait()
}

// read takes what a site sends.
func (h *Hub) read(ctx context.Context, from int) error {
	buf := make([]byte, maxPacket)
	for {
		n, err := h.ports[from].Device.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from site %d: %w", from, err)
		}
		to, ok := h.sites[destination(buf[:n])]
		if !ok || to == from {
			continue // multicast, IPv6's autoconfiguration
		}
		now := time.Now()
		if at := h.net.leave(from, n, now); at.After(now) {
			if sleep(ctx, at) != nil {
				return nil
			}
			now = at
		}
		for _, at := range h.net.cross(from, to, n, now) {
			h.queue[to].push(packet{data: append([]byte(nil), buf[:n]...), at: at})
		}
	}
}

// destination returns where an IPv4 packet is to go, the zero Addr if it is none.
func destination(p []byte) netip.Addr {
	if len(p) < 20 || p[0]>>4 != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(p[16:20]))
}

// write hands a site what has arrived for it.
func (h *Hub) write(ctx context.Context, to int) error {
	for {
		p, err := h.queue[to].pop(ctx)
		if err != nil {
			return nil //nolint:nilerr // ctx ended
		}
		now := time.Now()
		at, full := h.net.enter(to, len(p.data), p.at, now)
		if full {
			continue
		}
		if at.After(now) && sleep(ctx, at) != nil {
			return nil
		}
		if _, err := h.ports[to].Device.Write(p.data); err != nil && ctx.Err() == nil && !passing(err) {
			return fmt.Errorf("write to site %d: %w", to, err)
		}
	}
}

// passing reports whether an error of a write is only this packet's loss.
func passing(err error) bool {
	return !errors.Is(err, os.ErrClosed) && !errors.Is(err, io.ErrClosedPipe)
}

// sleep returns at a time, or with ctx's error.
func sleep(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// packet is on its way.
type packet struct {
	data []byte
	at   time.Time // it arrives
	turn uint64    // among those that arrive at one time
}

// queue is the packets on the way to one site.
type queue struct {
	mu   sync.Mutex
	heap packets
	held int
	turn uint64
	more chan struct{} // something came that arrives before all others
}

func (q *queue) push(p packet) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held += len(p.data); q.held > maxHeld {
		q.held -= len(p.data)
		return
	}
	q.turn++
	p.turn = q.turn
	heap.Push(&q.heap, p)
	if q.heap[0].turn == p.turn {
		select {
		case q.more <- struct{}{}:
		default:
		}
	}
}

// pop waits for the next packet to arrive; its error is ctx's.
func (q *queue) pop(ctx context.Context) (packet, error) {
	for {
		next, ok := q.next()
		if !ok {
			select {
			case <-q.more:
			case <-ctx.Done():
				return packet{}, ctx.Err()
			}
			continue
		}
		wait := time.Until(next)
		if wait <= 0 {
			break
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-q.more:
		case <-ctx.Done():
			timer.Stop()
			return packet{}, ctx.Err()
		}
		timer.Stop()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	p := heap.Pop(&q.heap).(packet)
	q.held -= len(p.data)
	return p, ctx.Err()
}

func (q *queue) next() (at time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.heap) == 0 {
		return time.Time{}, false
	}
	return q.heap[0].at, true
}

// packets is a heap by the time of arrival.
type packets []packet

func (h packets) Len() int      { return len(h) }
func (h packets) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *packets) Push(x any)   { *h = append(*h, x.(packet)) }

func (h packets) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].turn < h[j].turn
}

func (h *packets) Pop() any {
	old := *h
	p := old[len(old)-1]
	old[len(old)-1] = packet{}
	*h = old[:len(old)-1]
	return p
}
