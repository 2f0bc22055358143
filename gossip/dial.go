package gossip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// dialLoop dials whom the seeker names.
func (m *Mesh) dialLoop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.life.ctx.Done():
			return
		case <-m.poke:
		case <-timer.C:
		}
		peers, at := m.seeker.due(time.Now())
		for _, p := range peers {
			m.life.spawn(func() { m.dial(p) })
		}
		timer.Stop()
		if !at.IsZero() {
			timer.Reset(time.Until(at))
		}
	}
}

func (m *Mesh) dial(p peer.ID) {
	ctx, cancel := context.WithTimeout(m.life.ctx, dialTimeout)
	defer cancel()
	// A forced dial passes over the swarm's own backoff, which begins at five seconds: too long for a
	// site that restarts.
	ctx = network.WithForceDirectDial(ctx, "the seeker's backoff counts")
	addrs := m.addrs(p)
	err := m.host.Connect(ctx, peer.AddrInfo{ID: p, Addrs: addrs})
	switch {
	case m.life.ctx.Err() != nil:
	case errors.Is(err, swarm.ErrNoGoodAddresses):
		m.failed(p, fmt.Sprintf("no address of it can be resolved or dialed: %v", addrs[:min(len(addrs), maxReasons)]))
	case err != nil:
		m.failed(p, dialFailure(err))
	}
	m.seeker.ended(p, time.Now())
	m.wake()
}
