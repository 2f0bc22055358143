package real

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/scenarios/local"
	"github.com/weft-mesh/weft/scenarios/real/netns"
	"github.com/weft-mesh/weft/scenarios/real/shape"
)

const (
	oneWay = 20 * time.Millisecond
	upRate = 2_000_000 // bytes a second
)

// grounds opens each ground that is to be had here. Namespaces may need rights, and the kernel may lack netem.
func grounds(t *testing.T, sites int, each func(t *testing.T, g ground)) {
	access := slices.Repeat([]shape.Access{{Up: upRate}}, sites)
	path := func(int, int) shape.Path { return shape.Path{Latency: oneWay} }
	for name, open := range map[string]func() (ground, error){
		"loopback": func() (ground, error) { return newLoopback(shape.New(access, path, 1)) },
		"userland": func() (ground, error) { return newUserland(shape.New(access, path, 1)) },
		"kernel":   func() (ground, error) { return newKernel(access, path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := open()
			if errors.Is(err, netns.ErrUnavailable) && (name == "kernel" || os.Getenv("WEFT_TEST_ALL") == "") {
				t.Skip(err) // many kernels, CI's too, lack sch_netem
			}
			if err != nil {
				t.Fatal(err)
			}
			each(t, g)
		})
	}
}

// TestGround: nodes on each ground find each other through its links and through nothing else.
func TestGround(t *testing.T) {
	grounds(t, 3, func(t *testing.T, g ground) {
		m := startMesh(t, g, 3)
		all := func() bool { return linked(t, m, 0) == 2 && linked(t, m, 1) == 2 && linked(t, m, 2) == 2 }
		await(t, "all to be connected", all)
		if err := g.setCut(func(from, to int) bool { return from == 2 || to == 2 }); err != nil {
			t.Fatal(err)
		}
		restart(t, m.Nodes[2])
		time.Sleep(2 * time.Second) // whoever knows a way around the cut dials within this
		if n := linked(t, m, 2); n != 0 {
			t.Errorf("%d sites are connected through a cut", n)
		}
		if err := g.setCut(func(int, int) bool { return false }); err != nil {
			t.Fatal(err)
		}
		await(t, "all to be connected", all)
		for _, p := range peers(t, m, 0) {
			if p.RTT < 2*oneWay { // how much longer it took depends on what else this machine does
				t.Errorf("%s is %v away, want %v", p.Site, p.RTT, 2*oneWay)
			}
		}
		if got, err := g.traffic(0, 1); err != nil || got.Bytes == 0 {
			t.Errorf("counted %v, %v", got, err)
		}
	})
}

// TestSpaces: a stream between namespaces has the links' round trip and rate.
func TestSpaces(t *testing.T) {
	grounds(t, 2, func(t *testing.T, g ground) {
		defer g.close()
		var s spaces
		switch g := g.(type) {
		case *userland:
			s = g.spaces
		case *kernel:
			s = g.spaces
		default:
			t.SkipNow()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.run(ctx) }()
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

func startMesh(t *testing.T, g ground, sites int) *local.Mesh {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft-") // t.TempDir's paths are too long for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	c := local.Config{Exe: os.Args[0], Dir: dir, Name: "test", Faults: ledger.Byzantine, Reach: g.reach}
	for i := range sites {
		s := local.Site{Name: fmt.Sprintf("site-%d", i+1), Trainer: "{synthetic: {bytes: 100kB, time: 100ms}}"}
		g.site(i, &s)
		c.Sites = append(c.Sites, s)
	}
	m, err := local.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.run(ctx) }()
	t.Cleanup(func() {
		err := m.Close()
		cancel()
		if err := errors.Join(err, <-done); err != nil {
			t.Error(err)
		}
		g.close()
		if t.Failed() {
			t.Logf("the sites' directories stay in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	for _, n := range m.Nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range m.Nodes {
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func restart(t *testing.T, n *local.Node) {
	t.Helper()
	if err := errors.Join(n.Kill(), n.Start(), n.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func peers(t *testing.T, m *local.Mesh, i int) []api.Peer {
	t.Helper()
	p, err := m.Nodes[i].Client.Peers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func linked(t *testing.T, m *local.Mesh, i int) (n int) {
	t.Helper()
	for _, p := range peers(t, m, i) {
		if p.Connected {
			n++
		}
	}
	return n
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
