package shape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	chunk      = 16 << 10  // bytes of a stream that are carried at a time, at most
	maxPieces  = 4096      // of a stream on the way
	legBuffer  = 256 << 10 // bytes that the kernel keeps of a leg of a stream, each way
	dialTarget = 5 * time.Second
)

// Proxy carries the TCP streams that one site opens to another.
type Proxy struct {
	net      *Net
	from, to int
	port     int // of the other site's node
	listener net.Listener
}

// Listen begins to listen at a free port of loopback for what site from wants to say to site to, whose node
// listens at another port of loopback.
func (n *Net) Listen(from, to, port int) (*Proxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy from site %d to %d: %w", from, to, err)
	}
	return &Proxy{net: n, from: from, to: to, port: port, listener: l}, nil
}

// Port returns the port of loopback that stands for the other site.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Close ends listening where Run was not called.
func (p *Proxy) Close() { _ = p.listener.Close() }

// Run carries streams until ctx ends, then returns nil; or an error of listening.
func (p *Proxy) Run(ctx context.Context) error {
	var streams sync.WaitGroup
	defer streams.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.listener.Close() })
	defer stop()
	for {
		c, err := p.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("proxy from site %d to %d: %w", p.from, p.to, err)
		}
		streams.Go(func() { p.carry(ctx, c.(*net.TCPConn)) })
	}
}

// carry is one stream, from its opening on. Its ends see what a site would see whose packets get lost: while the
// link is cut nothing comes and nothing is refused.
func (p *Proxy) carry(ctx context.Context, near *net.TCPConn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := func(c *net.TCPConn) func() { return func() { _ = c.Close() } }
	defer end(near)()
	stop := context.AfterFunc(ctx, end(near))
	defer stop()
	if sleep(ctx, time.Now().Add(p.net.roundTrip(p.from, p.to))) != nil || p.net.await(ctx, p.from, p.to) != nil {
		return
	}
	d := net.Dialer{Timeout: dialTarget}
	c, err := d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", p.port))
	if err != nil {
		_ = near.SetLinger(0) // a reset: nobody listens there
		return
	}
	far := c.(*net.TCPConn)
	defer end(far)()
	stopFar := context.AfterFunc(ctx, end(far))
	defer stopFar()
	small(near)
	small(far)
	var both sync.WaitGroup
	both.Go(func() { p.net.relay(ctx, cancel, far, near, p.from, p.to) })
	both.Go(func() { p.net.relay(ctx, cancel, near, far, p.to, p.from) })
	both.Wait()
}

// small keeps the kernel from holding much of a stream beside what is on the way.
func small(c *net.TCPConn) {
	_, _ = c.SetReadBuffer(legBuffer), c.SetWriteBuffer(legBuffer) // if they stay large, the link has a longer queue
}

// await returns when two sites can reach each other, or with ctx's error.
func (n *Net) await(ctx context.Context, from, to int) error {
	for {
		c := n.opening(from, to)
		if c == nil {
			return ctx.Err()
		}
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writer is the end of a stream that bytes are carried to.
type writer interface {
	io.Writer
	CloseWrite() error
}

// piece is some bytes of a stream on their way; none are its end.
type piece struct {
	data []byte
	at   time.Time // they arrive
}

// relay carries one direction of a stream from src to dst. An error of either ends both directions.
func (n *Net) relay(ctx context.Context, fail func(), dst writer, src io.Reader, from, to int) {
	pieces := make(chan piece, maxPieces)
	free := newWindow()
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		defer close(pieces)
		if err := n.take(ctx, src, from, to, free, pieces); err != nil {
			fail()
		}
	})
	for p := range pieces {
		if err := n.hand(ctx, dst, from, to, p); err != nil {
			fail()
			free.close()
			return
		}
		free.give(len(p.data))
	}
}

// take reads what the source sends, as fast as its uplink and the window let it.
func (n *Net) take(ctx context.Context, src io.Reader, from, to int, free *window, pieces chan<- piece) error {
	buf := make([]byte, chunk)
	for {
		if !free.take(chunk, n.window(from, to)) {
			return nil
		}
		k, err := src.Read(buf)
		free.give(chunk - k)
		now := time.Now()
		if k > 0 {
			if at := n.leave(from, k, now); at.After(now) {
				if err := sleep(ctx, at); err != nil {
					return err
				}
				now = at
			}
			p := piece{append([]byte(nil), buf[:k]...), n.stream(from, to, k, now)}
			if err := send(ctx, pieces, p); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return send(ctx, pieces, piece{at: n.stream(from, to, 0, now)})
		}
		if err != nil {
			return err
		}
	}
}

func send(ctx context.Context, pieces chan<- piece, p piece) error {
	select {
	case pieces <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hand gives the destination a piece when it has arrived, and the link is not cut.
func (n *Net) hand(ctx context.Context, dst writer, from, to int, p piece) error {
	if err := sleep(ctx, p.at); err != nil {
		return err
	}
	if err := n.await(ctx, from, to); err != nil {
		return err
	}
	if len(p.data) == 0 {
		return dst.CloseWrite()
	}
	now := time.Now()
	if at, _ := n.enter(to, len(p.data), now, now); at.After(now) {
		if err := sleep(ctx, at); err != nil {
			return err
		}
	}
	_, err := dst.Write(p.data)
	return err
}

// window bounds the bytes of a stream that are on the way.
type window struct {
	mu     sync.Mutex
	used   int
	closed bool
	change *sync.Cond
}

func newWindow() *window {
	w := &window{}
	w.change = sync.NewCond(&w.mu)
	return w
}

// take waits until n more bytes fit below a limit; it returns false if the window was closed.
func (w *window) take(n, limit int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.used+n > limit && !w.closed {
		w.change.Wait()
	}
	w.used += n
	return !w.closed
}

func (w *window) give(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	w.change.Signal()
}

func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.change.Signal()
}
