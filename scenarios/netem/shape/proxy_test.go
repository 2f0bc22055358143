package shape

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// end is the writing end of a stream.
type end struct{ *io.PipeWriter }

func (e end) CloseWrite() error { return e.Close() }

// stream relays one direction in virtual time and returns its two ends.
func stream(t *testing.T, n *Net, from, to int) (in *io.PipeWriter, out *io.PipeReader, wait func()) {
	t.Helper()
	src, in := io.Pipe()
	out, dst := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { n.relay(ctx, cancel, end{dst}, src, from, to) })
	stop := context.AfterFunc(ctx, func() { _, _ = src.CloseWithError(ctx.Err()), dst.CloseWithError(ctx.Err()) })
	return in, out, func() {
		cancel()
		done.Wait()
		stop()
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	chance := rand.NewChaCha8([32]byte{1})
	_, _ = chance.Read(b) // never fails
	return b
}

// TestStream: all bytes arrive, in order, after the latency and at the rate of the narrow link.
func TestStream(t *testing.T) {
	const size, rate = 1 << 20, 1 << 20
	for name, c := range map[string]struct {
		from, to Access
		path     Path
		want     time.Duration
	}{
		"free":     {path: Path{Latency: 50 * time.Millisecond}, want: 50 * time.Millisecond},
		"uplink":   {from: Access{Up: rate}, path: Path{Latency: 50 * time.Millisecond}, want: 1050 * time.Millisecond},
		"downlink": {to: Access{Down: rate}, path: Path{Latency: 50 * time.Millisecond}, want: 1050 * time.Millisecond},
		"pair":     {path: Path{Latency: 50 * time.Millisecond, Bandwidth: rate}, want: 1050 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := New([]Access{c.from, c.to}, same(c.path), 1)
				in, out, wait := stream(t, n, 0, 1)
				defer wait()
				data := randomBytes(size)
				begun := time.Now()
				go func() {
					_, _ = in.Write(data)
					_ = in.Close()
				}()
				got, err := io.ReadAll(out)
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if took := time.Since(begun); !near(took, c.want, 30*time.Millisecond) {
					t.Errorf("took %v, want %v", took, c.want)
				}
				if got := n.Traffic(0, 1).Bytes; got != size {
					t.Errorf("counted %d bytes", got)
				}
			})
		})
	}
}

// TestStreamLoss: a lost packet costs a round trip.
func TestStreamLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(make([]Access, 2), same(Path{Latency: 10 * time.Millisecond, Loss: 1}), 1)
		in, out, wait := stream(t, n, 0, 1)
		defer wait()
		begun := time.Now()
		go func() { _, _ = in.Write([]byte("lost once")) }()
		if _, err := out.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 30*time.Millisecond {
			t.Errorf("arrived after %v, want 30ms", took)
		}
	})
}

// TestStreamCut: a cut link lets nothing through, holds no more than a window, and goes on where it was.
func TestStreamCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(make([]Access, 2), same(Path{Latency: 10 * time.Millisecond, Bandwidth: 1 << 20}), 1)
		n.SetCut(func(int, int) bool { return true })
		in, out, wait := stream(t, n, 0, 1)
		defer wait()
		data := randomBytes(1 << 20)
		var mu sync.Mutex
		taken, got := 0, []byte(nil)
		go func() {
			for i := 0; i < len(data); i += 1024 {
				if _, err := in.Write(data[i : i+1024]); err != nil {
					return
				}
				mu.Lock()
				taken += 1024
				mu.Unlock()
			}
			_ = in.Close()
		}()
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, 4096)
			for {
				k, err := out.Read(b)
				mu.Lock()
				got = append(got, b[:k]...)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Minute)
		mu.Lock()
		if len(got) > 0 || taken > n.window(0, 1) {
			t.Errorf("while cut %d bytes came through and %d were taken, of a window of %d", len(got), taken, n.window(0, 1))
		}
		mu.Unlock()
		n.SetCut(func(int, int) bool { return false })
		<-done
		if !bytes.Equal(got, data) {
			t.Errorf("%d bytes after the heal, want %d, equal", len(got), len(data))
		}
	})
}

// TestProxy: a real stream over loopback, both ways, with its round trip; a reset where nobody listens.
func TestProxy(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	const oneWay = 30 * time.Millisecond
	n := New(make([]Access, 2), same(Path{Latency: oneWay}), 1)
	addr := runProxy(t, n, l.Addr().(*net.TCPAddr).Port)
	begun := time.Now()
	data := randomBytes(3 << 20)
	got, err := exchange(addr, data)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
	// The round trip of the opening, and that of the last byte.
	if took := time.Since(begun); took < 4*oneWay {
		t.Errorf("took %v, want at least %v", took, 4*oneWay)
	}

	nobody := runProxy(t, n, 1)
	if got, err := exchange(nobody, []byte("hello")); err == nil && len(got) > 0 {
		t.Errorf("nobody answers %q", got)
	}
}

// TestProxyCut: while two sites are cut off from each other a new stream is neither refused nor answered.
func TestProxyCut(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := New(make([]Access, 2), same(Path{}), 1)
	addr := runProxy(t, n, l.Addr().(*net.TCPAddr).Port)
	n.SetCut(func(from, to int) bool { return from == 1 && to == 0 })
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	select {
	case <-accepted:
		t.Fatal("a stream came through a cut link")
	case <-time.After(50 * time.Millisecond):
	}
	n.SetCut(func(int, int) bool { return false })
	select {
	case far := <-accepted:
		_ = far.Close()
	case <-time.After(10 * time.Second):
		t.Fatal("no stream after the heal")
	}
}

func runProxy(t *testing.T, n *Net, port int) string {
	t.Helper()
	p, err := n.Listen(0, 1, port)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p.listener.Addr().String()
}

// exchange sends data and returns what comes back.
func exchange(addr string, data []byte) ([]byte, error) {
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	go func() {
		_, _ = c.Write(data)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	return io.ReadAll(c)
}
