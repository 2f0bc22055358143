package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
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
		m.failed(p, fmt.Sprintf("no address of it can be resolved or dialed: %v", addrs), 1)
	case err != nil:
		m.failed(p, dialFailure(err), 1)
	}
	m.seeker.ended(p, time.Now())
	m.wake()
}

// failed notes why a site could not be reached. That an address which the operator gave leads nowhere is
// told once it has happened so many times running, and told again when the reason is another.
func (m *Mesh) failed(p peer.ID, why string, times int) {
	n := m.failures.note(p, why)
	if _, given := m.bootstrap[p]; given && n == times {
		m.log.Warn("a bootstrap address does not lead to its site; it is tried again", "peer", p, "reason", why)
		return
	}
	m.log.Debug("dial failed", "peer", p, "reason", why)
}

// failures are the reasons why sites could not be reached when they were dialed last.
type failures struct {
	mu    sync.Mutex
	sites map[peer.ID]failure
}

type failure struct {
	why   string
	times int // running
}

// note returns how many times running it has been for that reason.
func (f *failures) note(p peer.ID, why string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sites == nil {
		f.sites = map[peer.ID]failure{}
	}
	now := failure{why, 1}
	if old := f.sites[p]; old.why == why {
		now.times += old.times
	}
	f.sites[p] = now
	return now.times
}

// of returns why a site could not be reached; empty if it could, or was never dialed.
func (f *failures) of(p peer.ID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sites[p].why
}

func (f *failures) forget(p peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sites, p)
}

// dialFailure says in a line why a dial failed: by address, in an order that does not depend on chance.
func dialFailure(err error) string {
	var d *swarm.DialError
	if !errors.As(err, &d) {
		return rootCause(err)
	}
	var list []string
	for i := range d.DialErrors {
		list = append(list, fmt.Sprintf("%s: %s", d.DialErrors[i].Address, rootCause(d.DialErrors[i].Cause)))
	}
	if len(list) == 0 {
		return rootCause(d.Cause)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

// rootCause leaves out of an error what only says which functions it went through.
func rootCause(err error) string {
	var id sec.ErrPeerIDMismatch
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &id):
		return fmt.Sprintf("another site is there, with the peer ID %s", id.Actual)
	case errors.As(err, &dns):
		return fmt.Sprintf("%s: %s", dns.Name, dns.Err)
	case errors.As(err, &op) && op.Op == "dial":
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	}
	return err.Error()
}
