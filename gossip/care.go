package gossip

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multistream"
)

// protectTag marks the mesh's sites for the connection manager.
const protectTag = "weft"

// connected and disconnected are called by the swarm on its own paths and must not block.
func (m *Mesh) connected(p peer.ID) {
	if !m.host.gate.admits(p) {
		m.drop(p, "not in the roster, or banned")
		return
	}
	m.protect(p)
	m.look(p)
	m.records.connected(p)
	m.life.spawn(func() { m.compare(p, staleAfter) })
}

// protect keeps the connection manager from closing the connections of a site.
func (m *Mesh) protect(p peer.ID) {
	if slices.Contains(m.sites(), p) {
		m.host.ConnManager().Protect(p, protectTag)
	}
}

func (m *Mesh) disconnected(p peer.ID) {
	if m.look(p); m.host.Network().Connectedness(p) != network.Connected { // else it was one of several connections
		m.records.disconnected(p)
	}
}

// look notes whether there is a connection with p. Notices of several connections come in any order, so what they say is not
// believed: the network is asked, after the change that the last notice is of.
func (m *Mesh) look(p peer.ID) {
	m.links.update(p, time.Now(), func(l *link) { l.up = m.host.Network().Connectedness(p) == network.Connected })
}

// linkChanged passes on how far a connection is.
func (m *Mesh) linkChanged(p peer.ID, s linkState) {
	was := m.seeker.set(p, s, time.Now())
	m.wake()
	switch {
	case s == linked:
		m.failures.opened(p)
	case s == ready:
		m.failures.forget(p)
		m.records.push(p) // it failed if the other side was still starting
	case s == apart && was == linked && m.life.ctx.Err() == nil:
		m.failed(p, m.failures.ended(p))
	}
}

// care looks after the connections every few seconds.
func (m *Mesh) care() {
	ticker := time.NewTicker(careEvery)
	defer ticker.Stop()
	for turn := 1; ; turn++ {
		select {
		case <-m.life.ctx.Done():
			return
		case <-ticker.C:
			m.turn(turn)
		}
	}
}

func (m *Mesh) turn(n int) {
	m.expel()
	m.revive()
	m.records.pushAll()
	m.saveAddrs()
	if n%rttEvery == 0 {
		for p := range m.links.ready() {
			m.life.spawn(func() { m.measure(p) })
		}
	}
}

// expel disconnects who is no longer admitted, in case nobody called RosterChanged.
func (m *Mesh) expel() {
	for _, p := range m.host.Network().Peers() {
		if !m.host.gate.admits(p) {
			m.drop(p, "not in the roster, or banned")
		}
	}
}

// revive repairs connections over which no gossip flows. Gossipsub gives up a stream to a peer that
// broke four times in ten minutes while the connection lived; it opens another when it hears of the peer's
// protocols. When a stream to a peer breaks it also forgets what the peer subscribed to, even if the
// peer has just said so on a new stream of its own, where it says so only once; against that only
// a new connection helps.
func (m *Mesh) revive() {
	sites := m.sites()
	var late []peer.ID
	for p, l := range m.links.dull() {
		switch {
		case !slices.Contains(sites, p): // an observer need not take part
		case l.dull >= dropAfter, l.writable && l.dull >= nudgeAfter:
			m.drop(p, "no gossip over this connection: is it of the same mesh, and this site's key used nowhere else?")
		case l.dull == nudgeAfter:
			late = append(late, p)
		}
	}
	if len(late) == 0 {
		return
	}
	e, err := m.host.EventBus().Emitter(new(event.EvtPeerProtocolsUpdated))
	if err != nil {
		m.log.Error("gossip not revived", "err", err)
		return
	}
	defer e.Close()
	for _, p := range late {
		m.log.Info("reviving gossip", "peer", p)
		if err := e.Emit(event.EvtPeerProtocolsUpdated{Peer: p, Added: []protocol.ID{pubsub.GossipSubID_v12}}); err != nil {
			m.log.Error("gossip not revived", "err", err)
		}
	}
}

// measure takes the round trip to p.
func (m *Mesh) measure(p peer.ID) {
	if conns := m.host.Network().ConnsToPeer(p); len(conns) > 0 {
		if rtt, err := m.probe(conns[0], staleAfter); err == nil {
			m.host.Peerstore().RecordLatency(p, rtt)
		}
	}
}

// compare measures each connection with p after one was added. If an older one is silent for so long
// while a newer one answers, the peer restarted and the old one is dead, which would show only after a
// minute. Then all are closed and made anew: gossipsub's streams are spread over both (see revive).
// It is not asked at other times: an old connection may just be busy with blocks.
func (m *Mesh) compare(p peer.ID, silent time.Duration) {
	conns := m.host.Network().ConnsToPeer(p)
	slices.SortFunc(conns, func(a, b network.Conn) int { return b.Stat().Opened.Compare(a.Stat().Opened) })
	answered := false
	for _, c := range conns { // the newest first
		rtt, err := m.probe(c, silent)
		switch {
		case err == nil:
			answered = true
			m.host.Peerstore().RecordLatency(p, rtt)
		case answered && errors.Is(err, errSilent) && !c.IsClosed():
			m.drop(p, "an older connection is dead")
			return
		}
	}
}

var errSilent = errors.New("no answer")

// probe measures the round trip over one connection with libp2p's ping.
func (m *Mesh) probe(c network.Conn, silent time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(m.life.ctx, silent)
	defer cancel()
	s, err := c.NewStream(ctx)
	if err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = s.Reset() }()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	if err := multistream.SelectProtoOrFail[protocol.ID](ping.ID, s); err != nil {
		return 0, silence(ctx, err)
	}
	out, in := make([]byte, ping.PingSize), make([]byte, ping.PingSize)
	_, _ = rand.Read(out) // never fails
	start := time.Now()
	if _, err := s.Write(out); err != nil {
		return 0, silence(ctx, err)
	}
	if _, err := io.ReadFull(s, in); err != nil {
		return 0, silence(ctx, err)
	}
	return time.Since(start), nil
}

// silence tells a peer that did not answer in time from one that refused.
func silence(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errSilent
	}
	return fmt.Errorf("probe: %w", err)
}
