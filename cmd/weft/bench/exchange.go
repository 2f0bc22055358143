package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
)

// Exchange is how to measure the exchange of blocks.
type Exchange struct {
	Dir   string // empty folder for both ends' stores
	Bytes uint64 // of the model
	Turns int
	Link  *Link // nil: loopback as it is
}

// site is one end.
type site struct {
	host     *gossip.Host
	exchange *exchange.Exchange
	end      func()
}

// inMemory serves blocks from memory.
type inMemory map[block.CID][]byte

// Read implements exchange.Source.
func (m inMemory) Read(c block.CID, _ []byte) ([]byte, error) {
	data, ok := m[c]
	if !ok {
		return nil, blockstore.ErrNotFound
	}
	return data, nil
}

// Has implements exchange.Source.
func (m inMemory) Has(c block.CID) bool { return m[c] != nil }

const plain = "/weft/bench/plain" // a stream of the same hosts, without the exchange

// Run measures the way of a model's blocks from one site's store to another's, beside plain streams of the same bytes. Both ends
// are in this process.
func (x Exchange) Run(ctx context.Context, progress func(done int)) (_ *Comparison, err error) {
	m, err := newModel(ctx, x.Bytes)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var ends []func()
	defer func() {
		cancel(nil)
		for k := range ends {
			ends[len(ends)-1-k]()
		}
	}()
	link := x.Link.emulate(ctx, func(err error) { cancel(err) })
	var stores [2]*blockstore.Disk
	for k := range stores {
		if stores[k], err = blockstore.OpenDisk(filepath.Join(x.Dir, fmt.Sprintf("store-%d", k+1)), blockstore.Options{}); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stores[k].Close()) }()
	}
	ways := make([]Way, 0, 5)
	for _, secure := range []bool{false, true} {
		s, end, err := openStream(ctx, link, m.data, secure)
		if err != nil {
			return nil, err
		}
		ends = append(ends, end)
		way := Way{Name: "tcp", Does: "one TCP connection, from memory, thrown away", Run: s.run}
		if secure {
			way.Name, way.Does = "tls", "one connection of TLS 1.3, from memory, thrown away"
		}
		ways = append(ways, way)
	}
	if err := m.put(stores[0]); err != nil {
		return nil, err
	}
	memory := inMemory{}
	for _, b := range m.shards {
		memory[b.CID] = b.Data
	}
	fromStore, err := newPair(ctx, link, stores[0], m.data, &ends)
	if err != nil {
		return nil, err
	}
	fromMemory, err := newPair(ctx, link, memory, m.data, &ends)
	if err != nil {
		return nil, err
	}
	ways = append(ways,
		Way{Name: "stream", Does: "one libp2p stream with TLS, from memory, thrown away", Run: fromMemory.plain.run},
		Way{Name: "memory", Does: "weft, from memory, checked and thrown away", Run: func(ctx context.Context) (Cost, error) {
			return Cost{}, fromMemory.fetch(ctx, m, func(block.Verified) error { return nil })
		}},
		Way{Name: "weft", Does: "weft, from a store to a store, checked and durable", Run: func(ctx context.Context) (Cost, error) {
			return fromStore.store(ctx, m, stores[1])
		}},
	)
	c, err := Measure(ctx, "exchange", uint64(len(m.data)), ways, []string{"tcp", "tls", "stream"}, x.Turns, progress)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err == nil && x.Link != nil {
		c.Link = x.Link.String()
	}
	return c, err
}

// put has a store hold the model.
func (m *model) put(store blockstore.Store) error {
	w, err := store.Create(m.manifest, m.layout, blockstore.WriteOptions{Finite: true})
	if err != nil {
		return err
	}
	for _, b := range m.shards {
		if err := w.WriteShard(b); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	return w.Commit()
}

// pair is two sites that are connected over a link, the first of which has the model.
type pair struct {
	from, to *site
	plain    stream
}

func newPair(ctx context.Context, link *emulated, source exchange.Source, data []byte, ends *[]func()) (*pair, error) {
	p := &pair{}
	for _, s := range []**site{&p.from, &p.to} {
		var err error
		if *s, err = newSite(source); err != nil {
			return nil, err
		}
		*ends = append(*ends, (*s).end)
		source = inMemory{}
	}
	p.from.host.SetStreamHandler(plain, func(s network.Stream) {
		defer s.Close()
		serve(s, data)
	})
	text, err := p.from.host.Addrs()[0].ValueForProtocol(multiaddr.P_TCP)
	if err != nil {
		return nil, err
	}
	var port int
	if _, err := fmt.Sscan(text, &port); err != nil {
		return nil, err
	}
	if port, err = link.to(port); err != nil {
		return nil, err
	}
	at, err := multiaddr.NewMultiaddr(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port))
	if err != nil {
		return nil, err
	}
	if err := p.to.host.Connect(ctx, peer.AddrInfo{ID: p.from.host.ID(), Addrs: []multiaddr.Multiaddr{at}}); err != nil {
		return nil, err
	}
	s, err := p.to.host.NewStream(ctx, p.from.host.ID(), plain)
	if err != nil {
		return nil, err
	}
	p.plain = stream{s, s.Reset, len(data)}
	return p, nil
}

// newSite starts one end, as a node does.
func newSite(source exchange.Source) (*site, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	at, err := multiaddr.NewMultiaddr("/ip4/127.0.0.1/tcp/0")
	if err != nil {
		return nil, err
	}
	all := func(peer.ID) bool { return true }
	h, err := gossip.NewHost(gossip.HostConfig{Key: key, Listen: []multiaddr.Multiaddr{at}, Roster: all})
	if err != nil {
		return nil, err
	}
	config := exchange.DefaultConfig()
	config.Host, config.Source, config.Allow = h, source, func(peer.ID, block.CID) bool { return true }
	x, err := exchange.New(config)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = x.Run(ctx) })
	return &site{h, x, func() {
		cancel()
		running.Wait()
		_ = h.Close()
	}}, nil
}

// fetch moves the model's blocks.
func (p *pair) fetch(ctx context.Context, m *model, put func(block.Verified) error) error {
	want := make([]block.CID, len(m.shards))
	for k := range want {
		want[k] = m.shards[k].CID
	}
	_, err := p.to.exchange.Fetch(ctx, exchange.Request{Want: want, Providers: []peer.ID{p.from.host.ID()}, Put: put})
	return err
}

// store moves the model to a store, and removes it there.
func (p *pair) store(ctx context.Context, m *model, to blockstore.Store) (Cost, error) {
	stop := clock()
	w, err := to.Create(m.manifest, m.layout, blockstore.WriteOptions{Finite: true})
	if err != nil {
		return Cost{}, err
	}
	if err := p.fetch(ctx, m, w.WriteVerified); err != nil {
		return Cost{}, errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return Cost{}, err
	}
	return stop(), to.DeleteArtifact(m.manifest.CID)
}
