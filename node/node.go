package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/runs"
	"github.com/weft-mesh/weft/trace"
	"github.com/weft-mesh/weft/train"
)

// Options are what a node may be given beside its home; the zero value is fit for use.
type Options struct {
	Log     *slog.Logger  // nil: as the home's configuration says, on standard error
	Timing  round.Timing  // zero: round.DefaultTiming
	Trainer train.Trainer // nil: as the configuration says
	Agent   string        // name and version of this program, told to other sites
	Network libp2p.Option // what carries its connections; nil: TCP and QUIC on this machine's own network
	NoAPI   bool          // do not serve the local API: the program that runs the node asks it itself
	Knows   Knows         // nil: KnownNames
	Shard   uint64        // elements of the shards into which models are cut that runs start from; 0: as the store does
}

// Node is a site's daemon.
type Node struct {
	home  *Home
	opt   Options
	log   *slog.Logger
	mesh  block.CID // the genesis document's
	start time.Time
	ready chan struct{}
	spoil func(shard int, data []byte) // for tests: what a broken machine does to a model that it computes

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
	named    map[peer.ID]bool // in the configuration's bootstrap addresses
	trustMu  sync.Mutex
	trusts   bool // those too, as it reaches few others
	visits   visits
	programs programs
	reach    *reach
	sender   *sender
	jobs     *jobs

	queue chan queued
	room  *semaphore.Weighted // for the bytes in the queue
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
	if opt.Knows == nil {
		opt.Knows = KnownNames
	}
	n := &Node{
		home: h, opt: opt, log: opt.Log, mesh: h.Genesis.Block().CID, ready: make(chan struct{}),
		verifier: newVerifier(), reach: newReach(),
		queue: make(chan queued, queueEvents), room: semaphore.NewWeighted(queueBytes), asks: make(chan func()), done: make(chan struct{}),
	}
	// What the genesis says, until the log has been read.
	n.view.Store(&view{members: newMembers(ledger.NewLedger(h.Genesis, verifySignature), h.ID, nil)})
	return n, nil
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
	var api *server
	if !n.opt.NoAPI {
		if api, err = n.listen(); err != nil {
			return err
		}
		closers = append(closers, api.close)
	}
	if err := n.connect(&closers); err != nil {
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
	if api != nil {
		g.Go(func() error { return api.run(ctx) })
	}
	close(n.ready)
	n.log.Info("site is up", "site", n.home.ID, "mesh", n.home.Genesis.Name, "addrs", n.Addrs())
	return g.Wait()
}

// watch tells the machine and the fetches who comes and goes.
func (n *Node) watch(ctx context.Context) error {
	n.trust()
	for e := range n.gossip.Watch(ctx) {
		n.reach.set(e.Peer, e.Connected)
		n.trust()
		if e.Connected {
			n.deliver(ctx, round.Connected{Peer: e.Peer})
		} else {
			n.deliver(ctx, round.Disconnected{Peer: e.Peer})
		}
	}
	return nil
}

// trust tells of a change of whom this site trusts, if that hangs on how many it reaches.
func (n *Node) trust() {
	n.trustMu.Lock()
	defer n.trustMu.Unlock()
	if few := n.few(); few != n.trusts {
		n.trusts = few
		n.gossip.RosterChanged()
	}
}

// scrub looks for blocks that went bad, slowly, once a day.
func (n *Node) scrub(ctx context.Context) error {
	for {
		select {
		case <-time.After(scrubEvery):
		case <-ctx.Done():
			return nil
		}
		if err := n.store.Scrub(ctx, func(bad error) { n.wentBad(ctx, bad) }); err != nil && ctx.Err() == nil {
			n.log.Warn("the store cannot be read through", "error", err)
		}
	}
}

// wentBad tells the machine of an artifact that is no longer whole, so that it is fetched again if a
// round needs it, before this site promises anything on the strength of it.
func (n *Node) wentBad(ctx context.Context, bad error) {
	n.log.Warn("a block went bad on this disk; it is fetched again when it is needed", "error", bad)
	n.events.add(time.Now(), trace.Step{Event: "corrupt", Site: n.home.ID, Text: bad.Error()})
	var c *blockstore.CorruptError
	if errors.As(bad, &c) && c.Manifest.Defined() {
		n.deliver(ctx, runs.Lost{Manifest: c.Manifest})
		n.jobs.again(c.Manifest)
	}
}
