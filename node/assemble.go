package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
)

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
	if n.events, err = openEvents(h.path(traceName), n.ownName(), n.log); err != nil {
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
	n.shelf = newShelf(n.store, n.log, func(err error) { n.jobs.wentBad(err) })
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
	if n.trainer = n.opt.Trainer; n.trainer == nil {
		if n.trainer, err = h.newTrainer(h.path(tmpName), h.path(stateName), n.log); err != nil {
			return err
		}
		n.log.Info("as config.yaml says", h.choices()...)
	}
	if c, ok := n.trainer.(io.Closer); ok {
		after(c.Close)
	}
	n.tracker = newTracker(n.machine.Ledger(), n.mute)
	n.view.Store(newView(n.machine, n.home.ID))
	if name, known := n.view.Load().names[n.home.ID]; known && name != n.home.Config.Name {
		n.log.Warn("the mesh knows this site by another name than its configuration", "mesh", name, "config", n.home.Config.Name)
	}
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
		Weft: n.version(),
	})
	if err != nil {
		return needsNewer(err)
	}
	path := h.path(logName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		n.log.Warn("the log is gone: this site votes again once it has seen the others decide", "log", path)
		n.events.add(time.Now(), trace.Step{Event: "log lost", Site: h.ID, Text: "a new log was begun"})
		if err := createWAL(path, round.Born{Mesh: n.mesh, Site: h.ID, Lost: true}); err != nil {
			return err
		}
	}
	var torn int64
	n.wal, torn, err = openWAL(path, func(r round.Record) error {
		if r.Born != nil {
			if err := n.checkBorn(r.Born); err != nil {
				return err
			}
			n.mute = r.Born.Lost && n.view.Load().roster.Len() > 1
		}
		return n.machine.Restore(r)
	})
	if err == nil && torn > 0 {
		n.log.Info("a torn end of the log was cut off", "bytes", torn)
		n.events.add(time.Now(), trace.Step{Event: "log cut", Site: h.ID, Text: fmt.Sprintf("%d bytes that a crash left", torn)})
	}
	if err == nil {
		err = needsNewer(n.machine.Ledger().Known())
	}
	return err
}

// version returns the version of this program, as far as it may be told to others.
func (n *Node) version() string {
	_, version, _ := strings.Cut(n.opt.Agent, "/")
	if !ledger.ValidName(version) {
		return ""
	}
	return version
}

// checkBorn refuses the log of another site or mesh. The log is good then, and must not be lost.
func (n *Node) checkBorn(b *round.Born) error {
	switch {
	case b.Site != n.home.ID:
		return hint(fmt.Errorf("%s is the log of site %s, and %s is the key of %s", n.home.path(logName), b.Site, keyName, n.home.ID),
			"put the site's own key back; the log is good, leave it where it is")
	case b.Mesh != n.mesh:
		return hint(fmt.Errorf("%s is the log of mesh %s, and %s is of %s", n.home.path(logName), b.Mesh, genesisName, n.mesh),
			"join another mesh in a directory of its own (weft init --dir); the log is good, leave it where it is")
	}
	return nil
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
	bootstrap, err := n.bootstrap()
	if err != nil {
		return err
	}
	n.host, err = gossip.NewHost(gossip.HostConfig{
		Key: n.home.Key, Listen: listen, Announce: announce, Roster: n.admits, Visitor: n.visitor,
		Peers: max(256, 2*n.view.Load().roster.Len()), Agent: n.opt.Agent, Network: n.opt.Network, Log: n.log,
	})
	if err != nil {
		return hint(err, "if another program listens there, change listen in "+n.home.path(configName))
	}
	*closers = append(*closers, n.host.Close)
	n.gossip, err = gossip.New(gossip.Config{
		Host: n.host, Mesh: n.mesh, Sites: n.sought, Bootstrap: bootstrap,
		AddressFile: n.home.path(addressesName), Handler: n.handle, Log: n.log,
	})
	if err != nil {
		return err
	}
	*closers = append(*closers, func() error { n.gossip.Close(); return nil })
	x := exchange.DefaultConfig()
	x.Host, x.Source, x.Allow, x.Log = n.host, n.shelf, n.allow, n.log
	x.Misbehaved = func(p peer.ID, err error) {
		n.events.add(time.Now(), trace.Step{Event: "dropped", Site: p, Text: err.Error()})
	}
	n.exchange, err = exchange.New(x)
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

// bootstrap returns the addresses of the configuration, and notes whose they are.
func (n *Node) bootstrap() ([]peer.AddrInfo, error) {
	var list []peer.AddrInfo
	n.named = map[peer.ID]bool{}
	for _, s := range n.home.Config.Bootstrap {
		info, err := CheckBootstrap(s)
		if err != nil {
			return nil, fmt.Errorf("%w: bootstrap: %w", ErrConfig, err)
		}
		list = append(list, info)
		n.named[info.ID] = true
		if v := n.view.Load(); !v.observes && !v.roster.Has(info.ID) {
			n.log.Warn("a bootstrap address is of no site in the roster: it is dialed only while too few others can be reached", "address", s)
		}
	}
	return list, nil
}

// visitor reports whether p is let in for a moment, though it is no site any more.
func (n *Node) visitor(p peer.ID) bool {
	v := n.view.Load()
	return v.former(p) && !v.observes && n.visits.open(p, time.Now())
}

func (n *Node) siteName(id peer.ID) string { return n.view.Load().name(id) }

// ownName returns the name that the mesh knows this site by, or else that of its configuration.
func (n *Node) ownName() string {
	if name, ok := n.view.Load().names[n.home.ID]; ok {
		return name
	}
	return n.home.Config.Name
}
