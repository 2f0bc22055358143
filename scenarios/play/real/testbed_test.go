package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node"
	"github.com/weft-mesh/weft/node/local"
	"github.com/weft-mesh/weft/scenarios/netem"
	"github.com/weft-mesh/weft/scenarios/netem/netns"
	"github.com/weft-mesh/weft/scenarios/netem/shape"
)

const (
	oneWay = 20 * time.Millisecond
	upRate = 2_000_000 // bytes a second
)

// testBeds opens each test bed that is to be had here. Namespaces may need rights, and the kernel may lack netem.
func testBeds(t *testing.T, sites int, each func(t *testing.T, bed netem.TestBed)) {
	access := slices.Repeat([]shape.Access{{Up: upRate}}, sites)
	path := func(int, int) shape.Path { return shape.Path{Latency: oneWay} }
	for _, kind := range []netem.Kind{netem.Loopback, netem.Userland, netem.Kernel} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			bed, _, err := netem.Open(kind, access, path, 1)
			if errors.Is(err, netns.ErrUnavailable) && (kind == netem.Kernel || os.Getenv("WEFT_TEST_ALL") == "") {
				t.Skip(err) // many kernels, CI's too, lack sch_netem
			}
			if err != nil {
				t.Fatal(err)
			}
			each(t, bed)
		})
	}
}

// TestTestBeds: nodes on each test bed find each other through its links and through nothing else.
func TestTestBeds(t *testing.T) {
	testBeds(t, 3, func(t *testing.T, bed netem.TestBed) {
		m := startMesh(t, bed, 3)
		all := func() bool { return linked(t, m, 0) == 2 && linked(t, m, 1) == 2 && linked(t, m, 2) == 2 }
		await(t, "all to be connected", all)
		if err := bed.SetCut(func(from, to int) bool { return from == 2 || to == 2 }); err != nil {
			t.Fatal(err)
		}
		restart(t, m.Nodes[2])
		time.Sleep(2 * time.Second) // whoever knows a way around the cut dials within this
		if n := linked(t, m, 2); n != 0 {
			t.Errorf("%d sites are connected through a cut", n)
		}
		if err := bed.SetCut(func(int, int) bool { return false }); err != nil {
			t.Fatal(err)
		}
		await(t, "all to be connected", all)
		for _, p := range peers(t, m, 0) {
			if p.RTT < 2*oneWay { // how much longer it took depends on what else this machine does
				t.Errorf("%s is %v away, want %v", p.Site, p.RTT, 2*oneWay)
			}
		}
		if got, err := bed.Traffic(0, 1); err != nil || got.Bytes == 0 {
			t.Errorf("counted %v, %v", got, err)
		}
	})
}

func startMesh(t *testing.T, bed netem.TestBed, sites int) *local.Mesh {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft-") // t.TempDir's paths are too long for a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	c := local.Config{Exe: os.Args[0], Dir: dir, Name: "test", Faults: ledger.Byzantine, Reach: bed.Reach}
	for i := range sites {
		s := local.Site{Name: fmt.Sprintf("site-%d", i+1), Trainer: "{synthetic: {bytes: 100kB, time: 100ms}}"}
		bed.Place(i, &s)
		c.Sites = append(c.Sites, s)
	}
	m, err := local.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- bed.Run(ctx) }()
	t.Cleanup(func() {
		err := m.Close()
		cancel()
		if err := errors.Join(err, <-done); err != nil {
			t.Error(err)
		}
		bed.Close()
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

func peers(t *testing.T, m *local.Mesh, i int) []node.Peer {
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
