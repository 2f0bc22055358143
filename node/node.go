package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/api"
	"github.com/weft-mesh/weft/node/api/server"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/metrics"
	"github.com/weft-mesh/weft/node/reduction"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

// Options are what a node may be given beside its home; the zero value is fit for use.
type Options struct {
	Level     *slog.LevelVar  // of Log, which [Node.Reload] sets; nil: it stays
	Bootstrap []string        // full addresses of other sites, beside those of the configuration
	Log       *slog.Logger    // nil: as the home's configuration says, on standard error
	Timing    round.Timing    // zero: round.DefaultTiming
	Trainer   train.Trainer   // nil: as the configuration says
	Agent     string          // name and version of this program, told to other sites
	Network   libp2p.Option   // what carries its connections; nil: TCP and QUIC on this machine's own network
	NoAPI     bool            // do not serve the local API: the program that runs the node asks it itself
	Knows     reduction.Knows // nil: reduction.KnownNames
	Shard     uint64          // elements of the shards into which models are cut that runs start from; 0: as the store does
}

// Node is a site's daemon: it assembles the parts and runs them.
type Node struct {
	home   *site.Home
	config *config.Live
	opt    Options
	log    *slog.Logger
	mesh   block.CID // the genesis document's
	start  time.Time
	ready  chan struct{}
	spoil  func(shard int, data []byte) // for tests: what a broken machine does to a model that it computes

	box      *mailbox
	views    *views
	verifier *verifier
	reach    *reach
	programs *programs
	bad      chan error // what went bad in the store
	registry *prometheus.Registry

	// What Run assembles.
	loop       *loop
	events     *events
	store      *blockstore.Disk
	index      *index.Index
	shelf      *shelf
	trainer    train.Trainer
	gate       *gate
	host       *gossip.Host
	gossip     *gossip.Mesh
	exchange   *exchange.Exchange
	sender     *sender
	jobs       *jobs.Jobs
	complainer *complainer
	site       server.Site
}

// New returns the node of a site. It starts nothing.
func New(h *site.Home, opt Options) (*Node, error) {
	if h == nil || h.Config == nil || h.Genesis == nil || h.Key == nil {
		return nil, errors.New("new node: the home is not complete; Open returns one that is")
	}
	if opt.Log == nil {
		opt.Log = h.Config.Log.Logger(os.Stderr)
	}
	if opt.Timing == (round.Timing{}) {
		opt.Timing = round.DefaultTiming()
	}
	if opt.Agent == "" {
		opt.Agent = "weft"
	}
	if opt.Knows == nil {
		opt.Knows = reduction.KnownNames
	}
	// What the genesis says, until the log has been read.
	first := &view{members: newMembers(ledger.NewLedger(h.Genesis, ledger.VerifySignature), h.ID, nil)}
	n := &Node{
		home: h, config: config.NewLive(h.Config), opt: opt, log: opt.Log, mesh: h.Genesis.Block().CID, ready: make(chan struct{}),
		box: newMailbox(), views: newViews(first), verifier: newVerifier(), reach: newReach(), programs: &programs{}, bad: make(chan error, badWaiting),
		registry: metrics.NewRegistry(),
	}
	return n, nil
}

// Ready is closed once the node takes part in the mesh and answers the local API.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// ID returns the site's peer ID.
func (n *Node) ID() peer.ID { return n.home.ID }

// Addrs returns the full addresses at which the site listens; call it after Ready.
func (n *Node) Addrs() []string { return fullAddrs(n.host, n.home.ID) }

// Site answers what the local API does, for the program that runs the node; call it after Ready.
func (n *Node) Site() server.Site { return n.site }

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
	var socket net.Listener
	if !n.opt.NoAPI {
		if socket, err = server.Listen(n.home.Path(api.SocketName)); err != nil {
			return err
		}
		closers = append(closers, func() error { return ignoreClosed(socket.Close()) })
	}
	watchers, err := n.listenWatchers()
	if err != nil {
		return err
	}
	if watchers != nil {
		closers = append(closers, func() error { return ignoreClosed(watchers.Close()) })
	}
	if err := n.connect(&closers); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.loop.run(ctx) })
	g.Go(func() error { return n.jobs.Run(ctx) })
	g.Go(func() error { return n.sender.run(ctx, n.gossip) })
	g.Go(func() error { return n.shelf.run(ctx) })
	g.Go(func() error { return n.index.Run(ctx) })
	g.Go(func() error { return n.gossip.Run(ctx) })
	g.Go(func() error { return n.exchange.Run(ctx) })
	g.Go(func() error { return n.watch(ctx) })
	g.Go(func() error { return n.scrub(ctx) })
	g.Go(func() error { return n.mend(ctx) })
	g.Go(func() error { return n.complainer.run(ctx) })
	if socket != nil {
		g.Go(func() error { return server.Serve(ctx, socket, n.site, metrics.Handler(n.registry), n.log) })
	}
	if watchers != nil {
		g.Go(func() error { return server.ServeWatchers(ctx, watchers, n.site, metrics.Handler(n.registry)) })
		n.log.Info("metrics are served", "url", "http://"+watchers.Addr().String()+"/metrics")
	}
	close(n.ready)
	n.log.Info("site is up", "site", n.home.ID, "mesh", n.home.Genesis.Name, "addrs", n.Addrs())
	return g.Wait()
}

// listenWatchers listens where the configuration has metrics served, nil for nowhere.
func (n *Node) listenWatchers() (net.Listener, error) {
	at := n.home.Config.Metrics
	if at == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("metrics: %w", err), "if another program listens there, change metrics in "+n.home.Path(site.ConfigFile))
	}
	return l, nil
}

// watch tells the machine and the fetches who comes and goes.
func (n *Node) watch(ctx context.Context) error {
	n.trust()
	for e := range n.gossip.Watch(ctx) {
		n.reach.set(e.Peer, e.Connected)
		n.trust()
		if e.Connected {
			n.box.deliver(ctx, round.Connected{Peer: e.Peer})
		} else {
			n.box.deliver(ctx, round.Disconnected{Peer: e.Peer})
		}
	}
	return nil
}

// trust tells of a change of whom this site trusts, if that hangs on how many it reaches.
func (n *Node) trust() {
	if n.gate.turned() {
		n.gossip.RosterChanged()
	}
}

// moved tells that somebody has come or gone.
func (n *Node) moved() {
	n.gossip.RosterChanged()
	n.trust()
}

// blame tells that a peer has sent what no correct site sends.
func (n *Node) blame(p peer.ID, why error) { n.gossip.Blame(p, why) }

// scrub looks for blocks that went bad, slowly, once a day.
func (n *Node) scrub(ctx context.Context) error {
	for {
		select {
		case <-time.After(scrubEvery):
		case <-ctx.Done():
			return nil
		}
		if err := n.store.Scrub(ctx, n.repair); err != nil && ctx.Err() == nil {
			n.log.Warn("the store cannot be read through", "error", err)
		}
	}
}

// mend takes care of what went bad in the store, as those say who came across it.
func (n *Node) mend(ctx context.Context) error {
	for {
		select {
		case bad := <-n.bad:
			n.repair(bad)
		case <-ctx.Done():
			return nil
		}
	}
}

// repair tells the machine of an artifact that is no longer whole, so that it is fetched again if a
// round needs it, before this site promises anything on the strength of it.
func (n *Node) repair(bad error) {
	n.log.Warn("a block went bad on this disk; it is fetched again when it is needed", "error", bad)
	n.events.add(time.Now(), trace.Corrupt{Subject: trace.Of(n.home.ID), Why: bad.Error()})
	var c *blockstore.CorruptError
	switch {
	case !errors.As(bad, &c):
	case c.Manifest.Defined():
		n.jobs.WentBad(c.Manifest)
	case n.index.HasSlot(c.Block):
		n.jobs.StateWentBad(c.Block)
	}
}

// ignoreClosed passes over an error of closing what has been closed.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
