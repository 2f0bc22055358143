package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip/conduct"
)

// Config says which mesh a site takes part in and what it does with its messages.
type Config struct {
	Host        *Host            // from NewHost, whose roster holds here too
	Mesh        block.CID        // the mesh's name
	Sites       func() []peer.ID // the roster, with or without this site; its answers may change, see Mesh.RosterChanged
	Bootstrap   []peer.AddrInfo  // addresses known beforehand; one site that answers is enough
	AddressFile string           // where to keep the sites' addresses over a restart; empty: nowhere
	Degree      int              // connections to seek; 0: DefaultDegree
	Handler     Handler
	Metrics     prometheus.Registerer // gets what gossipsub counts; nil: nobody
	Log         *slog.Logger          // nil: none
}

// Mesh is a site's place in its mesh.
type Mesh struct {
	host    *Host
	mesh    block.CID
	sites   func() []peer.ID
	handler Handler
	file    string
	log     *slog.Logger

	life      *life
	started   chan struct{} // closed when New is through; until then no handler is called
	closing   sync.Once
	notify    *network.NotifyBundle
	bootstrap map[peer.ID][]multiaddr.Multiaddr
	topic     *pubsub.Topic
	direct    *direct
	links     *links
	conduct   conduct.Conduct
	counters  counters
	inflow    inflow
	book      *book
	moves     *moves
	records   *records
	seeker    *seeker
	poke      chan struct{} // wakes the dial loop
	failures  failures

	storeMu sync.Mutex // held while the peerstore or the file is brought up to date with the book
	saved   uint64     // version of the book in the file
}

// New joins the mesh: messages flow from now on over what connections there are, and the handler
// may be called before the caller has the result. Run seeks more connections. A site that does not
// call Run must call Close. A host carries one mesh.
func New(c Config) (*Mesh, error) {
	switch {
	case c.Host == nil || c.Sites == nil || c.Handler == nil:
		return nil, errors.New("join mesh: a host, the sites and a handler are needed")
	case !c.Mesh.Defined():
		return nil, errors.New("join mesh: it has no name; want the genesis document's CID")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Degree <= 0 {
		c.Degree = DefaultDegree
	}
	m := &Mesh{
		host: c.Host, mesh: c.Mesh, sites: c.Sites, handler: c.Handler, file: c.AddressFile, log: c.Log,
		life: newLife(), started: make(chan struct{}), bootstrap: map[peer.ID][]multiaddr.Multiaddr{}, poke: make(chan struct{}, 1),
		counters: newCounters(),
	}
	if c.Metrics != nil {
		if err := m.counters.show(c.Metrics); err != nil {
			return nil, fmt.Errorf("join mesh: metrics: %w", err)
		}
	}
	self := m.host.ID()
	m.book = newBook(m.host.Peerstore().PrivKey(self), self)
	m.moves = newMoves()
	m.seeker = newSeeker(self, c.Degree, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	m.links = newLinks(m.life, m.linkChanged)
	m.direct = newDirect(m)
	m.records = newRecords(m)
	m.seeker.setSites(m.sites())
	if err := m.loadAddrs(c.Bootstrap); err != nil {
		return nil, err
	}
	m.attach() // before the topic: who finds us in the topic finds the protocols too
	if err := m.joinTopic(); err != nil {
		m.Close()
		return nil, err
	}
	close(m.started)
	return m, nil
}

// name returns the name of one of the mesh's topics and protocols.
func (m *Mesh) name(what string) string {
	return fmt.Sprintf("/weft/%s/%s/1", m.mesh, what)
}

// attach takes what comes from the host.
func (m *Mesh) attach() {
	m.host.SetStreamHandler(m.direct.proto, m.direct.serve)
	m.host.SetStreamHandler(recordsProtocol, m.records.serve)
	m.notify = &network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			m.moves.note(c.RemotePeer(), c.RemoteMultiaddr(), time.Now())
			m.connected(c.RemotePeer())
		},
		DisconnectedF: func(_ network.Network, c network.Conn) { m.disconnected(c.RemotePeer()) },
	}
	m.host.Network().Notify(m.notify)
	for _, p := range m.host.Network().Peers() {
		m.connected(p)
	}
}

// Run seeks the other sites and looks after the connections until ctx ends, then closes m.
func (m *Mesh) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, m.Close)
	defer stop()
	m.life.spawn(m.watchAddrs)
	m.life.spawn(m.care)
	m.life.spawn(m.dialLoop)
	<-m.life.ctx.Done()
	m.Close()
	return nil
}

// Close leaves the mesh and returns when no handler runs any more, so it must not be called from
// one. The host stays open.
func (m *Mesh) Close() {
	m.closing.Do(func() {
		m.life.end()
		m.detach()
		m.life.wait()
		m.saveAddrs()
	})
}

// detach takes nothing from the host any more and ends what streams there are.
func (m *Mesh) detach() {
	m.host.Network().StopNotify(m.notify)
	ours := append(slices.Clone(gossipProtocols), m.direct.proto, recordsProtocol)
	for _, id := range ours {
		m.host.RemoveStreamHandler(id)
	}
	for _, c := range m.host.Network().Conns() {
		for _, s := range c.GetStreams() {
			if slices.Contains(ours, s.Protocol()) {
				_ = s.Reset()
			}
		}
	}
}

// handle calls the handler, unless the mesh is closed.
func (m *Mesh) handle(from peer.ID, data []byte) Verdict {
	select {
	case <-m.started:
	case <-m.life.ctx.Done():
	}
	if !m.life.enter() {
		return Ignore
	}
	defer m.life.leave()
	return m.handler(m.life.ctx, from, data)
}

// RosterChanged says that the roster's answers changed: who left is disconnected, who came is sought.
func (m *Mesh) RosterChanged() {
	m.seeker.setSites(m.sites())
	m.book.retain(m.host.gate.roster)
	m.moves.retain(m.host.gate.roster)
	m.direct.forget(m.host.gate.roster)
	for _, p := range m.host.Network().Peers() {
		if !m.host.gate.expects(p) {
			m.drop(p, "not in the roster")
			continue
		}
		m.links.tell(p, func(s linkState) { m.seeker.set(p, s, time.Now()) })
		m.protect(p)
	}
	for _, p := range m.sites() {
		m.place(p, false)
	}
	m.records.pushAll()
	m.wake()
}

// drop closes the connections with p, in a goroutine: callers may be on their paths.
func (m *Mesh) drop(p peer.ID, why string) {
	if slices.Contains(m.sites(), p) { // strangers are many
		m.failures.closing(p, why)
	}
	m.life.spawn(func() {
		m.log.Info("disconnecting", "peer", p, "why", why)
		m.host.ConnManager().Unprotect(p, protectTag)
		_ = m.host.Network().ClosePeer(p) // closed one way or another
	})
}

// Blame counts a message of p that was found later to be such as no correct site sends.
func (m *Mesh) Blame(p peer.ID, err error) { m.blame(p, conduct.Message, "message refused", err) }

// blame counts a misdeed of p, and bans it when there are too many.
func (m *Mesh) blame(p peer.ID, weight int, what string, err error) {
	if p == m.host.ID() || m.life.ctx.Err() != nil {
		return
	}
	fresh, until := m.conduct.Strike(p, weight, time.Now())
	level := slog.LevelDebug // who goes on and on does not fill the log
	if fresh {
		level = slog.LevelWarn
	}
	m.log.Log(m.life.ctx, level, "peer misbehaves", "peer", p, "what", what, "err", err)
	if until.IsZero() {
		return
	}
	m.log.Warn("peer banned", "peer", p, "until", until)
	m.host.gate.ban(p, until)
	m.drop(p, "banned")
}

// ID returns this site.
func (m *Mesh) ID() peer.ID { return m.host.ID() }

// Watch returns which sites connect and disconnect from now on, after one event for each that is
// connected already. The channel is closed when ctx or the mesh ends. It forgets nothing
// that matters and holds at most one event per site: to a slow reader, a site that went and came
// back is one more Connected event.
func (m *Mesh) Watch(ctx context.Context) <-chan Event { return m.links.watch(ctx) }

// Peers returns every site of the mesh but this one, ascending by ID.
func (m *Mesh) Peers() []PeerInfo {
	sites := slices.Clone(m.sites())
	slices.SortFunc(sites, func(a, b peer.ID) int { return cmp.Compare(a, b) })
	ready, now := m.links.ready(), time.Now()
	infos := make([]PeerInfo, 0, len(sites))
	for _, p := range slices.Compact(sites) {
		if p == m.host.ID() {
			continue
		}
		i := PeerInfo{ID: p, RTT: m.host.Peerstore().LatencyEWMA(p), Twin: m.moves.twin(p, now)}
		if i.Since, i.Connected = ready[p]; !i.Connected {
			i.Failure = m.failures.of(p)
		}
		addrs := m.addrs(p)
		if conns := m.host.Network().ConnsToPeer(p); len(conns) > 0 {
			used := conns[0].RemoteMultiaddr()
			if i.Inbound = conns[0].Stat().Direction == network.DirInbound; i.Inbound {
				addrs = append(slices.Clone(addrs), used) // nobody else can dial where it came from
			} else {
				addrs = append([]multiaddr.Multiaddr{used}, addrs...)
			}
		}
		for _, a := range addrs {
			if !multiaddr.Contains(i.Addrs, a) {
				i.Addrs = append(i.Addrs, a)
			}
		}
		did := m.conduct.Of(p)
		if i.Rejected, i.Dropped = did.Rejected, did.Dropped; now.Before(did.Banned) {
			i.Banned = did.Banned
		}
		infos = append(infos, i)
	}
	return infos
}
