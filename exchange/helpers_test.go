package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/weft-mesh/weft/block"
)

// TestMain fails if a goroutine of the exchange outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

func leaked() string {
	buf := make([]byte, 1<<20)
	var left []string
	for range 500 {
		left = left[:0]
		stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
		for _, s := range stacks[1:] { // the first is this one
			if strings.Contains(s, "weft/exchange.") {
				left = append(left, s)
			}
		}
		if len(left) == 0 {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}

// memory is a Source, and a store for what is fetched.
type memory struct {
	mu     sync.Mutex
	blocks map[block.CID][]byte
	gets   map[block.CID]int
	onGet  func(block.CID) // may block; before Get looks
	onHas  func(block.CID) // after Has looked
	lies   bool            // Get returns other bytes
}

var _ Source = (*memory)(nil)

func newMemory(blocks ...block.Block) *memory {
	m := &memory{blocks: make(map[block.CID][]byte), gets: make(map[block.CID]int)}
	for _, b := range blocks {
		m.blocks[b.CID] = b.Data
	}
	return m
}

func (m *memory) Has(c block.CID) bool {
	m.mu.Lock()
	_, ok := m.blocks[c]
	hook := m.onHas
	m.mu.Unlock()
	if hook != nil {
		hook(c)
	}
	return ok
}

func (m *memory) Read(c block.CID, buf []byte) ([]byte, error) {
	if m.onGet != nil {
		m.onGet(c)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets[c]++
	data, ok := m.blocks[c]
	if !ok {
		return nil, errors.New("not here")
	}
	if m.lies {
		data = append(bytes.Clone(data), 'x')
	}
	return append(buf[:0], data...), nil
}

func (m *memory) Put(b block.Block) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocks[b.CID] = bytes.Clone(b.Data)
	return nil
}

// take is the Put of a fetch.
func (m *memory) take(b block.Verified) error { return m.Put(b.Block()) }

// same fails unless m has exactly these blocks.
func (m *memory) same(t testing.TB, want []block.Block) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.blocks) != len(want) {
		t.Errorf("%d blocks, want %d", len(m.blocks), len(want))
	}
	for _, b := range want {
		if !bytes.Equal(m.blocks[b.CID], b.Data) {
			t.Fatalf("block %s: %d bytes, want %d", b.CID, len(m.blocks[b.CID]), len(b.Data))
		}
	}
}

// someBlocks returns n random blocks of size bytes, the same for the same seed.
func someBlocks(seed uint64, n, size int) []block.Block {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	out := make([]block.Block, n)
	for i := range out {
		data := make([]byte, size)
		_, _ = rng.Read(data)
		out[i] = block.New(block.Raw, append(data, byte(i), byte(i>>8)))
	}
	return out
}

func cidsOf(blocks []block.Block) []block.CID {
	out := make([]block.CID, len(blocks))
	for i := range blocks {
		out[i] = blocks[i].CID
	}
	return out
}

// loopback returns n hosts on TCP that know each other's addresses.
func loopback(t testing.TB, n int) []host.Host {
	t.Helper()
	hosts := make([]host.Host, n)
	for i := range hosts {
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
			libp2p.DisableRelay(), libp2p.DisableMetrics())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		hosts[i] = h
	}
	for _, h := range hosts {
		for _, o := range hosts {
			if h != o {
				h.Peerstore().AddAddrs(o.ID(), o.Addrs(), time.Hour)
			}
		}
	}
	return hosts
}

// mocked returns n hosts on libp2p's network in memory.
func mocked(t testing.TB, n int) []host.Host {
	t.Helper()
	net, err := mocknet.FullMeshLinked(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = net.Close() })
	return net.Hosts()
}

// blame collects who was named.
type blame struct {
	mu    sync.Mutex
	named map[peer.ID][]error
	hook  func()
}

func (b *blame) name(p peer.ID, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.named == nil {
		b.named = make(map[peer.ID][]error)
	}
	b.named[p] = append(b.named[p], err)
	if b.hook != nil {
		b.hook()
	}
}

// only fails unless exactly p was named, once, and for want.
func (b *blame) only(t testing.TB, p peer.ID, want error) *Misbehaviour {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var m *Misbehaviour
	if len(b.named) != 1 || len(b.named[p]) != 1 || !errors.As(b.named[p][0], &m) || m.Peer != p || !errors.Is(m, want) {
		t.Fatalf("named: %v; want only %s for: %v", b.named, p, want)
	}
	return m
}

func (b *blame) nobody(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.named) > 0 {
		t.Errorf("named: %v", b.named)
	}
}

// node is an exchange on a host with a store.
type node struct {
	*Exchange
	host  host.Host
	store *memory
	blame *blame
	stop  func() // ends Run and waits for it
}

func (n *node) id() peer.ID { return n.host.ID() }

func testConfig(h host.Host, store *memory, b *blame) Config {
	cfg := DefaultConfig()
	cfg.Host, cfg.Source, cfg.Misbehaved = h, store, b.name
	cfg.Allow = func(peer.ID, block.CID) bool { return true }
	cfg.Backoff, cfg.MaxBackoff, cfg.Attempts = time.Millisecond, 4*time.Millisecond, 3
	return cfg
}

// start runs an exchange on h until the test ends.
func start(t testing.TB, h host.Host, store *memory, change ...func(*Config)) *node {
	t.Helper()
	n := &node{host: h, store: store, blame: new(blame)}
	cfg := testConfig(h, store, n.blame)
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if n.Exchange, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.Run(ctx)
	}()
	n.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(n.stop)
	return n
}

// get fetches want into n's store.
func (n *node) get(t testing.TB, want []block.CID, from ...peer.ID) (FetchStats, error) {
	t.Helper()
	return n.Fetch(testContext(t), Request{Want: want, Providers: from, Put: n.store.take})
}

// testContext ends when a test hangs.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// gate holds others up until it is opened, which may be done twice.
type gate struct {
	ch   chan struct{}
	once sync.Once
}

func newGate() *gate  { return &gate{ch: make(chan struct{})} }
func (g *gate) open() { g.once.Do(func() { close(g.ch) }) }
func (g *gate) wait() { <-g.ch }

// eventually waits for what has no event of its own.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 10000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// peerStream opens a stream as a requester that follows no rules.
func peerStream(t testing.TB, from host.Host, to peer.ID) network.Stream {
	t.Helper()
	s, err := from.NewStream(testContext(t), to, Protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Reset() })
	return s
}
