package shape

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a device in memory.
type wire struct {
	out    chan []byte // what the site sends
	in     chan []byte // what arrives for it
	closed chan struct{}
	once   atomic.Bool
}

func (w *wire) Read(p []byte) (int, error) {
	select {
	case b := <-w.out:
		return copy(p, b), nil
	case <-w.closed:
		return 0, io.ErrClosedPipe
	}
}

func (w *wire) Write(p []byte) (int, error) {
	select {
	case w.in <- append([]byte(nil), p...):
		return len(p), nil
	case <-w.closed:
		return 0, io.ErrClosedPipe
	}
}

func (w *wire) Close() error {
	if !w.once.Swap(true) {
		close(w.closed)
	}
	return nil
}

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }

// lab is a hub of n sites in virtual time.
type lab struct {
	net   *Net
	wires []*wire
	stop  func()
}

func newLab(t *testing.T, access []Access, between func(from, to int) Path) *lab {
	t.Helper()
	l := &lab{net: New(access, between, 1)}
	var ports []Port
	for i := range access {
		w := &wire{out: make(chan []byte), in: make(chan []byte, 1<<16), closed: make(chan struct{})}
		l.wires = append(l.wires, w)
		ports = append(ports, Port{addr(i), w})
	}
	h, err := NewHub(l.net, ports)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	l.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return l
}

// ipv4 is a packet with a number in it.
func ipv4(to, size int, number uint32) []byte {
	p := make([]byte, size)
	p[0] = 0x45
	a := addr(to).As4()
	copy(p[16:], a[:])
	binary.BigEndian.PutUint32(p[20:], number)
	return p
}

func number(p []byte) uint32 { return binary.BigEndian.Uint32(p[20:]) }

// blast sends packets as fast as the uplink takes them, and returns when each arrived.
func (l *lab) blast(from, to, count, size int, quiet time.Duration) (numbers []uint32, at []time.Duration) {
	begun := time.Now()
	go func() {
		for i := range count {
			l.wires[from].out <- ipv4(to, size, uint32(i))
		}
	}()
	for {
		select {
		case p := <-l.wires[to].in:
			numbers, at = append(numbers, number(p)), append(at, time.Since(begun))
		case <-time.After(quiet):
			return numbers, at
		}
	}
}

func near(got, want, tolerance time.Duration) bool {
	return time.Duration(math.Abs(float64(got-want))) <= tolerance
}

func same(p Path) func(int, int) Path { return func(int, int) Path { return p } }

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, make([]Access, 3), func(from, to int) Path { return Path{Latency: time.Duration(10*from+to) * time.Millisecond} })
		defer l.stop()
		for from := range 3 {
			for to := range 3 {
				if from == to {
					continue
				}
				_, at := l.blast(from, to, 1, 100, time.Second)
				if want := time.Duration(10*from+to) * time.Millisecond; len(at) != 1 || at[0] != want {
					t.Errorf("from %d to %d: arrived after %v, want %v", from, to, at, want)
				}
			}
		}
	})
}

// TestBandwidth: whichever link is the narrow one, its rate is what gets through.
func TestBandwidth(t *testing.T) {
	const rate, size, count = 1_000_000, 1000, 500
	for name, c := range map[string]struct {
		access Access
		path   Path
		lossy  bool
	}{
		"uplink":   {access: Access{Up: rate}},
		"downlink": {access: Access{Down: rate}, lossy: true},
		"pair":     {path: Path{Bandwidth: rate}, lossy: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.path.Latency = 20 * time.Millisecond
				l := newLab(t, []Access{c.access, c.access}, same(c.path))
				defer l.stop()
				numbers, at := l.blast(0, 1, count, size, time.Second)
				want := count
				if c.lossy { // the source does not wait: what is beyond the queue is dropped
					want = int(float64(rate)*(queueTime+slack).Seconds())/size + 1
				}
				if len(numbers) < want-2 || len(numbers) > want+2 {
					t.Fatalf("%d packets arrived, want %d", len(numbers), want)
				}
				took := at[len(at)-1] - at[0]
				if ideal := time.Duration(len(at)) * size * time.Second / rate; !near(took, ideal, 2*slack) {
					t.Errorf("%d packets took %v, want %v", len(at), took, ideal)
				}
			})
		})
	}
}

// TestShares: two sources share a downlink, and a slow pair does not hold up another.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, make([]Access, 3), func(from, to int) Path {
			if from == 0 && to == 1 {
				return Path{Bandwidth: 10_000, Latency: time.Second}
			}
			return Path{Latency: time.Millisecond}
		})
		defer l.stop()
		go func() {
			for i := range 2 {
				l.wires[0].out <- ipv4(1, 1000, uint32(i))
			}
		}()
		synctest.Wait()
		if _, at := l.blast(0, 2, 1, 1000, 100*time.Millisecond); len(at) != 1 || at[0] != time.Millisecond {
			t.Errorf("behind the packets of a slow pair: %v", at)
		}
		if _, at := l.blast(2, 1, 1, 1000, 100*time.Millisecond); len(at) != 1 || at[0] != time.Millisecond {
			t.Errorf("to the site that slow packets are on the way to: %v", at)
		}
	})
}

func TestLossAndDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 20_000
		l := newLab(t, make([]Access, 2), same(Path{Latency: time.Millisecond, Loss: 0.1, Duplicate: 0.05}))
		defer l.stop()
		numbers, _ := l.blast(0, 1, count, 100, time.Second)
		seen := map[uint32]int{}
		for _, n := range numbers {
			seen[n]++
		}
		lost, twice := count-len(seen), len(numbers)-len(seen)
		if lost < count*9/100 || lost > count*11/100 || twice < count*4/100 || twice > count*5/100 {
			t.Errorf("of %d packets %d were lost and %d came twice, want 10%% and 4.5%%", count, lost, twice)
		}
		if got := l.net.Traffic(0, 1); got.Packets != int64(count-lost) || got.Bytes != int64(count-lost)*100 || got.Lost != int64(lost) {
			t.Errorf("counted %v, lost %d", got, lost)
		}
		if got := l.net.Traffic(1, 0); got != (Traffic{}) {
			t.Errorf("the other way: %v", got)
		}
	})
}

// TestJitter: packets are late by what was asked for, and stay in order.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, []Access{{Up: 100_000}, {}}, same(Path{Latency: 30 * time.Millisecond, Jitter: 20 * time.Millisecond}))
		defer l.stop()
		const count = 3000 // a millisecond each
		numbers, at := l.blast(0, 1, count, 100, time.Second)
		if len(numbers) != count {
			t.Fatalf("%d of %d arrived", len(numbers), count)
		}
		var sum time.Duration
		for i, n := range numbers {
			if int(n) != i {
				t.Fatalf("packet %d is number %d", i, n)
			}
			late := at[i] - time.Duration(i)*time.Millisecond
			if late < 30*time.Millisecond-slack || late > 52*time.Millisecond {
				t.Fatalf("packet %d is late by %v", i, late)
			}
			sum += late
		}
		if mean := sum / count; !near(mean, 40*time.Millisecond, 5*time.Millisecond) {
			t.Errorf("late by %v in the mean, want about 40ms", mean)
		}
	})
}

func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, make([]Access, 3), same(Path{Latency: time.Millisecond}))
		defer l.stop()
		l.net.SetCut(func(from, to int) bool { return from == 0 && to == 1 })
		for _, c := range []struct{ from, to, want int }{{0, 1, 0}, {1, 0, 3}, {0, 2, 3}} {
			if got, _ := l.blast(c.from, c.to, 3, 100, time.Second); len(got) != c.want {
				t.Errorf("cut from 0 to 1: %d of 3 packets from %d to %d, want %d", len(got), c.from, c.to, c.want)
			}
		}
		l.net.SetCut(func(int, int) bool { return false })
		if got, _ := l.blast(0, 1, 3, 100, time.Second); len(got) != 3 {
			t.Errorf("healed: %d of 3 packets", len(got))
		}
	})
}

// TestChange: links change while they are in use.
func TestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, make([]Access, 2), same(Path{Latency: time.Millisecond}))
		defer l.stop()
		l.net.SetPath(0, 1, Path{Latency: 70 * time.Millisecond})
		l.net.SetAccess(0, Access{Up: 1000})
		_, at := l.blast(0, 1, 2, 1000, 5*time.Second)
		if len(at) != 2 || !near(at[0], 1070*time.Millisecond, slack) || !near(at[1], 2070*time.Millisecond, slack) {
			t.Errorf("arrived after %v, want 1.07s and 2.07s", at)
		}
	})
}

// TestForeign: what is for nobody is passed over.
func TestForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, make([]Access, 2), same(Path{}))
		defer l.stop()
		for _, p := range [][]byte{{}, {0x60, 1, 2}, make([]byte, 40), ipv4(7, 40, 0), ipv4(0, 40, 0)} {
			l.wires[0].out <- p
		}
		if got, _ := l.blast(0, 1, 1, 40, time.Second); len(got) != 1 {
			t.Errorf("%d packets arrived, want 1", len(got))
		}
	})
}
