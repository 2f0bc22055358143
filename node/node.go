package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/blockstore/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/train"
)

// Options are what a node may be given beside its home; the zero value is fit for use.
type Options struct {
	Log     *slog.Logger  // nil: as the home's configuration says, on standard error
	Timing  round.Timing  // zero: round.DefaultTiming
	Trainer train.Trainer // nil: as the configuration says
	Agent   string        // name and version of this program, told to other sites
}

// Node is a site's daemon.
type Node struct {
	home   *Home
	opt    Options
	log    *slog.Logger
	roster *round.Roster
	start  time.Time
	ready  chan struct{}

	// What Run assembles.
	machine  *round.Machine // the loop's alone
	wal      *wal           // the loop's alone
	mute     bool           // whether the log said at start that an earlier one is gone
	changed  bool           // the view may have; the loop's alone
	tracker  *tracker       // the loop's alone
	verifier *verifier
	store    *blockstore.Disk
	index    *index
	shelf    *shelf
	events   *events
	trainer  train.Trainer
	host     *gossip.Host
	gossip   *gossip.Mesh
	exchange *exchange.Exchange
	reach    *reach
	sender   *sender
	jobs     *jobs

	queue chan round.Event
	asks  chan func()
	view  atomic.Pointer[view]
	done  chan struct{} // closed when the loop has ended
}

// New returns the node of a site. It starts nothing.
func New(h *Home, opt Options) (*Node, error) {
	if h == nil || h.Config == nil || h.Genesis == nil || h.Key == nil {
		return nil, errors.New("new node: the home is not complete; Open returns one that is")
	}
	if opt.Log == nil {
		opt.Log = newLogger(os.Stderr, h.Config.Log)
	}
	if opt.Timing == (round.Timing{}) {
		opt.Timing = round.DefaultTiming()
	}
	if opt.Agent == "" {
		opt.Agent = "weft"
	}
	return &Node{
		home: h, opt: opt, log: opt.Log, roster: h.Genesis.Roster(), ready: make(chan struct{}),
		verifier: newVerifier(), reach: newReach(),
		queue: make(chan round.Event, queueEvents), asks: make(chan func()), done: make(chan struct{}),
	}, nil
}

func newLogger(w io.Writer, c LogConfig) *slog.Logger {
	opt := &slog.HandlerOptions{Level: slog.Level(c.Level)}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// Ready is closed once the node takes part in the mesh and answers the local API.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// ID returns the site's peer ID.
func (n *Node) ID() peer.ID { return n.home.ID }

// Addrs returns the full addresses at which the site listens; call it after Ready.
func (n *Node) Addrs() []string {
	var list []string
	for _, a := range n.host.Addrs() {
		list = append(list, fmt.Sprintf("%s/p2p/%s", a, n.home.ID))
	}
	return list
}

// Run runs the node until ctx ends or it cannot go on: when its log cannot be written, for one. It
// returns within seconds of ctx's end, with nil, and leaves nothing running. It runs once.
func (n *Node) Run(ctx context.Context) (err error) {
	var closers []func() error
	defer func() {
		for i := len(closers) - 1; i >= 0; i-- {
			err = errors.Join(err, closers[i]())
		}
	}()
	if err := n.open(&closers); err != nil {
		return err
	}
	if err := n.connect(&closers); err != nil {
		return err
	}
	server, err := n.listen()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.loop(ctx) })
	g.Go(func() error { return n.jobs.run(ctx) })
	g.Go(func() error { return n.sender.run(ctx, n.gossip) })
	g.Go(func() error { return n.shelf.run(ctx) })
	g.Go(func() error { return n.gossip.Run(ctx) })
	g.Go(func() error { return n.exchange.Run(ctx) })
	g.Go(func() error { return n.watch(ctx) })
	g.Go(func() error { return n.scrub(ctx) })
	g.Go(func() error { return server.run(ctx) })
	close(n.ready)
	n.log.Info("site is up", "site", n.home.ID, "mesh", n.home.Genesis.Name, "addrs", n.Addrs())
	return g.Wait()
}

// open takes the home: lock, trace, log, store, trainer.
func (n *Node) open(closers *[]func() error) error {
	after := func(f func() error) { *closers = append(*closers, f) }
	h := n.home
	lock, err := h.lock()
	if err != nil {
		return err
	}
	after(lock.Close)
	n.start = time.Now()
	if n.events, err = openEvents(h.path(traceName), n.siteName(h.ID), n.log); err != nil {
		return err
	}
	after(n.events.close)
	if n.store, err = blockstore.OpenDisk(h.path(storeName), blockstore.Options{Logger: n.log, ScrubBytesPerSecond: scrubRate}); err != nil {
		return err
	}
	after(n.store.Close)
	if err := n.restore(); err != nil {
		return err
	}
	after(n.wal.close)
	if n.index, err = openIndex(h.path(indexName), n.store, n.log); err != nil {
		return err
	}
	n.shelf = newShelf(n.store, n.log)
	if err := n.shelf.fill(h.Genesis, n.machine.Ledger()); err != nil {
		return err
	}
	for _, r := range n.machine.Ledger().Runs() {
		for i := range r.Commits {
			n.index.commit(r.Commits[i].Model, r.ID)
		}
	}
	if err := n.clearTasks(); err != nil {
		return err
	}
	if n.trainer, err = n.newTrainer(); err != nil {
		return err
	}
	if c, ok := n.trainer.(io.Closer); ok {
		after(c.Close)
	}
	n.tracker = newTracker(n.machine.Ledger(), n.mute)
	n.view.Store(newView(n.machine))
	n.sender = newSender(n.log)
	n.jobs = newJobs(n)
	return nil
}

// restore opens the log and hands its records to a new machine.
func (n *Node) restore() (err error) {
	h := n.home
	key := h.Key
	n.machine, err = round.New(round.Config{
		Self: h.ID, Genesis: h.Genesis, Verify: n.verifier.verify, Timing: n.opt.Timing,
		Sign: func(data []byte) []byte { return sign(key, data) },
	})
	if err != nil {
		return err
	}
	path := h.path(logName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		n.log.Warn("the log is gone: this site votes again once it has seen the others decide", "log", path)
		n.events.add(time.Now(), round.Trace{Event: "log lost", Site: h.ID, Text: "a new log was begun"})
		if err := createWAL(path, round.Born{Mesh: h.Genesis.Block().CID, Site: h.ID, Lost: true}); err != nil {
			return err
		}
	}
	var torn int64
	n.wal, torn, err = openWAL(path, func(r round.Record) error {
		if r.Born != nil {
			n.mute = r.Born.Lost && n.roster.Len() > 1
		}
		return n.machine.Restore(r)
	})
	if err == nil && torn > 0 {
		n.log.Info("a torn end of the log was cut off", "bytes", torn)
		n.events.add(time.Now(), round.Trace{Event: "log cut", Site: h.ID, Text: fmt.Sprintf("%d bytes that a crash left", torn)})
	}
	return err
}

func sign(key crypto.PrivKey, data []byte) []byte {
	sig, err := key.Sign(data)
	if err != nil {
		panic(err) // Ed25519 signs anything
	}
	return sig
}

// connect starts listening and joins the mesh; messages wait until the loop runs.
func (n *Node) connect(closers *[]func() error) error {
	c := n.home.Config
	listen, err := multiaddrs(c.Listen)
	if err != nil {
		return err
	}
	announce, err := multiaddrs(c.Announce)
	if err != nil {
		return err
	}
	n.host, err = gossip.NewHost(gossip.HostConfig{
		Key: n.home.Key, Listen: listen, Announce: announce, Roster: n.roster.Has,
		Peers: max(256, 2*n.roster.Len()), Agent: n.opt.Agent, Log: n.log,
	})
	if err != nil {
		return hint(err, "if another program listens there, change listen in "+n.home.path(configName))
	}
	*closers = append(*closers, n.host.Close)
	x := exchange.DefaultConfig()
	x.Host, x.Source, x.Allow, x.Log = n.host, n.shelf, n.allow, n.log
	x.Misbehaved = func(p peer.ID, err error) {
		n.events.add(time.Now(), round.Trace{Event: "dropped", Site: p, Text: err.Error()})
	}
	if n.exchange, err = exchange.New(x); err != nil {
		return err
	}
	var bootstrap []peer.AddrInfo
	for _, s := range c.Bootstrap {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return fmt.Errorf("%w: bootstrap: %w", ErrConfig, err)
		}
		bootstrap = append(bootstrap, *info)
	}
	n.gossip, err = gossip.New(gossip.Config{
		Host: n.host, Mesh: n.home.Genesis.Block().CID, Sites: n.siteIDs, Bootstrap: bootstrap,
		AddressFile: n.home.path(addressesName), Handler: n.handle, Log: n.log,
	})
	return err
}

func multiaddrs(list []string) ([]multiaddr.Multiaddr, error) {
	var addrs []multiaddr.Multiaddr
	for _, s := range list {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

func (n *Node) siteIDs() []peer.ID {
	var ids []peer.ID
	for _, s := range n.roster.Sites() {
		ids = append(ids, s.ID)
	}
	return ids
}

func (n *Node) siteName(id peer.ID) string { return n.roster.Name(id) }

// watch tells the machine and the fetches who comes and goes.
func (n *Node) watch(ctx context.Context) error {
	for e := range n.gossip.Watch(ctx) {
		n.reach.set(e.Peer, e.Connected)
		if e.Connected {
			n.deliver(ctx, round.Connected{Peer: e.Peer})
		} else {
			n.deliver(ctx, round.Disconnected{Peer: e.Peer})
		}
	}
	return nil
}

// scrub looks for blocks that went bad, slowly, once a day.
func (n *Node) scrub(ctx context.Context) error {
	for {
		select {
		case <-time.After(scrubEvery):
		case <-ctx.Done():
			return nil
		}
		err := n.store.Scrub(ctx, func(bad error) {
			n.log.Warn("a block went bad on this disk; it is fetched again when it is needed", "error", bad)
			n.events.add(time.Now(), round.Trace{Event: "corrupt", Site: n.home.ID, Text: bad.Error()})
		})
		if err != nil && ctx.Err() == nil {
			n.log.Warn("the store cannot be read through", "error", err)
		}
	}
}
