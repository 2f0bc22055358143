package netem

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/scenarios/netem/netns"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

const (
	oneWay = 20 * time.Millisecond
	upRate = 2_000_000 // bytes a second
)

// testBeds opens each test bed that is to be had here. Namespaces may need rights, and the kernel may lack
func testBeds(t *testing.T, sites int, each func(t *testing.T, bed TestBed)) {
	access := slices.Repeat([]shape.Access{{Up: upRate}}, sites)
	path := func(int, int) shape.Path { return shape.Path{Latency: oneWay} }
	for _, kind := range []Kind{Loopback, Userland, Kernel} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			bed, _, err := Open(kind, access, path, 1)
			if errors.Is(err, netns.ErrUnavailable) && (kind == Kernel || os.Getenv("WEFT_TEST_ALL") == "") {
				t.Skip(err) // many kernels, CI's too, lack sch_netem
			}
			if err != nil {
				t.Fatal(err)
			}
			each(t, bed)
		})
	}
}

// TestSpaces: a stream between namespaces has the links' round trip and rate.
func TestSpaces(t *testing.T) {
	testBeds(t, 2, func(t *testing.T, bed TestBed) {
		defer bed.Close()
		var s spaces
		switch bed := bed.(type) {
		case *userland:
			s = bed.spaces
		case *kernel:
			s = bed.spaces
		default:
			t.SkipNow()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- bed.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		const ideal = time.Second * talkBytes / upRate
		var trip, sent time.Duration
		for range 5 { // a busy machine may take longer, but not each time
			if trip, sent = talk(t, s); trip <= 5*oneWay && sent <= 3*ideal {
				break
			}
		}
		if trip < 2*oneWay || trip > 5*oneWay {
			t.Errorf("a round trip of %v, want %v", trip, 2*oneWay)
		}
		if sent < ideal*9/10 || sent > 3*ideal {
			t.Errorf("%d bytes in %v, want %v", talkBytes, sent, ideal)
		}
	})
}

const talkBytes = upRate / 2

// talk sends some bytes from the first namespace to the second and returns how long an answer took before that, at
// best, and how long the bytes took.
func talk(t *testing.T, s spaces) (trip, sent time.Duration) {
	t.Helper()
	var l net.Listener
	var c net.Conn
	if err := s[1].Do(func() (err error) { l, err = net.Listen("tcp4", address(1).String()+":7"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := io.CopyN(c, c, 5); err == nil {
			_, _ = io.CopyN(io.Discard, c, talkBytes)
			_, _ = c.Write([]byte{0})
		}
	}()
	if err := s[0].Do(func() (err error) { c, err = net.DialTimeout("tcp4", l.Addr().String(), 10*time.Second); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	once := func(b []byte) time.Duration {
		begun := time.Now()
		_, err := c.Write(b)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
	trip = once([]byte{0})
	for range 4 {
		trip = min(trip, once([]byte{0}))
	}
	return trip, once(make([]byte, talkBytes))
}
