package node

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/weft-mesh/weft/blockstore"
	"github.com/weft-mesh/weft/exchange"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/hint"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/node/config"
	"github.com/weft-mesh/weft/node/index"
	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/node/metrics"
	"github.com/weft-mesh/weft/node/site"
	"github.com/weft-mesh/weft/node/steps"
	"github.com/weft-mesh/weft/node/wal"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
)

// open takes the home: lock, trace, log, store, trainer.
func (n *Node) open(closers *[]func() error) error {
	after := func(f func() error) { *closers = append(*closers, f) }
	h := n.home
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	after(lock.Close)
	n.start = time.Now()
	n.events = openEvents(h.Path(site.TraceFile), n.views.now().ownName(h), n.log)
	after(n.events.close)
	if n.store, err = openStore(h, n.log); err != nil {
		return err
	}
	after(n.store.Close)
	machine, log, mute, err := n.restore()
	if err != nil {
		return err
	}
	after(log.Close)
	if n.index, err = index.Open(h.Path(site.IndexFile), n.store, n.log); err != nil {
		return err
	}
	n.clearStore(machine)
	n.shelf = newShelf(n.store, n.log, func(err error) {
		select {
		case n.bad <- err:
		default: // it is found again, at the latest by the scrub
		}
	})
	n.shelf.fill(h.Genesis, machine.Ledger())
	for _, r := range machine.Ledger().Runs() {
		for i := range r.Commits {
			commitTo(n.index, r.Commits[i].Commit)
		}
	}
	if err := n.clearTasks(); err != nil {
		return err
	}
	if n.trainer = n.opt.Trainer; n.trainer == nil {
		env := h.TrainerEnv(h.Path(site.TaskDir), n.log)
		env.NoteDir = h.Path(site.ProcessDir)
		if n.trainer, err = h.Config.Trainer.New(env); err != nil {
			return err
		}
		n.log.Info("as config.yaml says", h.Choices(env)...)
	}
	if c, ok := n.trainer.(io.Closer); ok {
		after(c.Close)
	}
	n.views.show(newView(machine, h.ID))
	if name, known := n.views.now().names[h.ID]; known && name != h.Config.Name {
		n.log.Warn("the mesh knows this site by another name than its configuration", "mesh", name, "config", h.Config.Name)
	}
	n.sender = newSender(n.log)
	earlier, _ := n.events.since(0)
	n.loop = &loop{
		self: h.ID, start: n.start, machine: machine, log: log, tracker: newTracker(machine.Ledger(), earlier, mute), shots: newSnapshots(h, n.opt.Knows, version(n.opt.Agent)),
		knows: n.opt.Knows, programs: n.programs, box: n.box, views: n.views, events: n.events, shelf: n.shelf, sender: n.sender, index: n.index, moved: n.moved, blame: n.blame,
	}
	n.loop.show()
	return nil
}

// openStore opens the site's store.
func openStore(h *site.Home, log *slog.Logger) (*blockstore.Disk, error) {
	store, err := blockstore.OpenDisk(h.Path(site.StoreDir), blockstore.Options{Logger: log, ScrubBytesPerSecond: scrubRate, Reserve: uint64(h.Config.DiskReserve)})
	if errors.Is(err, blockstore.ErrFormat) {
		err = hint.Add(err, "a newer weft may have written it: start that one. If it was this one, only the file format is damaged: write into it what it should hold; the store is as it was")
	}
	return store, err
}

// restore opens the log and hands its records to a new machine. mute: the log said that an earlier one is gone.
func (n *Node) restore() (machine *round.Machine, log *wal.Log, mute bool, err error) {
	h := n.home
	key := h.Key
	machine, err = round.New(round.Config{
		Self: h.ID, Genesis: h.Genesis, Verify: n.verifier.verify, Timing: n.opt.Timing,
		Sign: func(data []byte) []byte { return sign(key, data) },
		Weft: version(n.opt.Agent),
	})
	if err != nil {
		return nil, nil, false, needsNewer(err)
	}
	path := h.Path(site.LogFile)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		n.log.Warn("the log is gone: this site votes again once it has seen the others decide", "log", path)
		n.events.add(time.Now(), trace.LogLost{Subject: trace.Of(h.ID)})
		if err := wal.Create(path, round.Born{Mesh: n.mesh, Site: h.ID, Lost: true}); err != nil {
			return nil, nil, false, err
		}
	}
	var torn int64
	tell := slowly{time.Now(), n.log}
	log, torn, err = wal.Open(path, func(r round.Record) error {
		tell.at(machine.Ledger().Height())
		if r.Born != nil {
			if err := n.checkBorn(r.Born); err != nil {
				return err
			}
			mute = r.Born.Lost && n.views.now().roster.Len() > 1
		}
		return machine.Restore(r)
	})
	if err == nil && torn > 0 {
		n.log.Info("a torn end of the log was cut off", "bytes", torn)
		n.events.add(time.Now(), trace.LogCut{Subject: trace.Of(h.ID), Bytes: torn})
	}
	if err == nil {
		err = needsNewer(machine.Ledger().Known())
	}
	return machine, log, mute, err
}

// slowly tells how far a start has come that takes its time.
type slowly struct {
	told time.Time
	log  *slog.Logger
}

// at notes a height of the ledger that the log has been read up to.
func (s *slowly) at(height uint64) {
	if now := time.Now(); now.Sub(s.told) >= startTells {
		s.told = now
		s.log.Info("reading the site's log", "height", height)
	}
}

// version returns the version that a program's name and version say, as far as it may be told to others.
func version(agent string) string {
	_, version, _ := strings.Cut(agent, "/")
	if !ledger.ValidName(version) {
		return ""
	}
	return version
}

// checkBorn refuses the log of another site or mesh. The log is good then, and must not be lost.
func (n *Node) checkBorn(b *round.Born) error {
	switch {
	case b.Site != n.home.ID:
		return hint.Add(fmt.Errorf("%s is the log of site %s, and %s is the key of %s", n.home.Path(site.LogFile), b.Site, site.KeyFile, n.home.ID),
			"put the site's own key back; the log is good, leave it where it is")
	case b.Mesh != n.mesh:
		return hint.Add(fmt.Errorf("%s is the log of mesh %s, and %s is of %s", n.home.Path(site.LogFile), b.Mesh, site.GenesisFile, n.mesh),
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
	bootstrap, named, err := n.bootstrap()
	if err != nil {
		return err
	}
	n.gate = newGate(n.home.ID, n.views, n.reach, named, n.index)
	n.host, err = gossip.NewHost(gossip.HostConfig{
		Key: n.home.Key, Listen: listen, Announce: announce, Roster: n.gate.admits, Visitor: n.gate.visitor,
		Peers: max(256, 2*n.views.now().roster.Len()), Agent: n.opt.Agent, Network: n.opt.Network, Metrics: n.registry, Log: n.log,
	})
	if err != nil {
		return hint.Add(err, "if another program listens there, change listen in "+n.home.Path(site.ConfigFile))
	}
	*closers = append(*closers, n.host.Close)
	receive := newReceiver(n.mesh, n.views, n.verifier, n.programs, n.events, n.box)
	n.gossip, err = gossip.New(gossip.Config{
		Host: n.host, Mesh: n.mesh, Sites: n.gate.sought, Bootstrap: bootstrap,
		AddressFile: n.home.Path(site.AddressFile), Handler: receive.handle, Metrics: n.registry, Log: n.log,
	})
	if err != nil {
		return err
	}
	*closers = append(*closers, func() error { n.gossip.Close(); return nil })
	x := exchange.DefaultConfig()
	x.Host, x.Source, x.Allow, x.Log = n.host, n.shelf, n.gate.allow, n.log
	x.Misbehaved = func(p peer.ID, err error) {
		n.events.add(time.Now(), trace.Dropped{Subject: trace.Of(p), Why: err.Error()})
	}
	if n.exchange, err = exchange.New(x); err != nil {
		return err
	}
	return n.employ()
}

// employ makes the parts that need the network.
func (n *Node) employ() (err error) {
	h := n.home
	curves, err := steps.Open(h.Path(site.StepsDir), n.log)
	if err != nil {
		return err
	}
	n.jobs, err = jobs.New(jobs.Config{
		Self: h.ID, Site: n.config, TaskDir: h.Path(site.TaskDir), StateDir: h.Path(site.StateDir), Store: n.store, Index: n.index, Blocks: n.exchange, Trainer: n.trainer, Knows: n.opt.Knows, Steps: curves,
		Host: &jobHost{h.ID, n.box, n.views, n.reach, n.bad}, Log: n.log, Spoil: n.spoil,
	})
	if err != nil {
		return err
	}
	n.site = struct {
		*reporter
		*operator
		*vault
	}{
		&reporter{h, n.start, n.box, n.views, n.reach, n.loop.shots, n.jobs, n.host, n.gossip, n.exchange, n.gate.named, n.events, n.programs, curves, n.store},
		&operator{h, n.config, n.mesh, n.opt.Shard, n.box, n.views, n.store, n.jobs, n.exchange, n.opt.Knows, n.programs},
		&vault{n.store, n.shelf, n.jobs, n.views},
	}
	n.complainer = &complainer{home: h, config: n.config, box: n.box, views: n.views, reach: n.reach, snapshots: n.loop.shots, jobs: n.jobs, start: n.start}
	x := &explainer{h.ID, n.store, n.shelf, n.jobs, n.views, n.box, n.loop.tracker, n.log}
	n.loop.employ(n.jobs, n.exchange, x.explain)
	return metrics.Register(n.registry, metrics.Source{
		Site: n.site, Exchange: n.exchange.Stats, Room: n.store.Room, Queue: n.box.queue.waiting, Events: n.events.counted,
	})
}

func multiaddrs(list []string) ([]multiaddr.Multiaddr, error) {
	var addrs []multiaddr.Multiaddr
	for _, s := range list {
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", config.ErrInvalid, err)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// bootstrap returns the addresses of the configuration, and whose they are.
func (n *Node) bootstrap() (list []peer.AddrInfo, named map[peer.ID]bool, err error) {
	named = map[peer.ID]bool{}
	for _, s := range slices.Concat(n.home.Config.Bootstrap, n.opt.Bootstrap) {
		info, err := config.CheckBootstrap(s)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: bootstrap: %w", config.ErrInvalid, err)
		}
		list = append(list, info)
		named[info.ID] = true
		if v := n.views.now(); !v.observes && !v.roster.Has(info.ID) {
			n.log.Warn("a bootstrap address is of no site in the roster: it is dialed only while too few others can be reached", "address", s)
		}
	}
	return list, named, nil
}

// clearTasks makes the folder of tasks, empty: what is in it was left by a crash.
func (n *Node) clearTasks() error {
	dir := n.home.Path(site.TaskDir)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return fmt.Errorf("clear %s: %w", filepath.Base(dir), err)
	}
	return nil
}
