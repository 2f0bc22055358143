package gossip

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

// probeTime is how long one site may take to answer a probe.
const probeTime = 10 * time.Second

// Probed is how a site answered a probe.
type Probed struct {
	ID      peer.ID
	Program string        // its name and version, such as weft/0.1.0
	RTT     time.Duration // round trip
	Failure string        // why it could not be reached; empty: it was
}

// Probe starts a host for long enough to dial each site once, at the addresses given here and those in the address file, which
// need not exist. Sites without an address are not dialed. It returns an error if the host cannot start: a port is taken.
func Probe(ctx context.Context, c HostConfig, addressFile string, given []peer.AddrInfo) ([]Probed, error) {
	h, err := NewHost(c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.Close() }()
	known := newBook(c.Key, h.ID())
	if _, err := loadBook(known, addressFile, c.Roster); err != nil && len(known.entries) == 0 {
		h.gate.log.Warn("known addresses are left out", "error", err)
	}
	targets := map[peer.ID]peer.AddrInfo{}
	for id, e := range known.entries {
		targets[id] = peer.AddrInfo{ID: id, Addrs: e.addrs}
	}
	for _, info := range given {
		t := targets[info.ID]
		targets[info.ID] = peer.AddrInfo{ID: info.ID, Addrs: append(slices.Clone(info.Addrs), t.Addrs...)}
	}
	delete(targets, h.ID())
	var (
		all []Probed
		mu  sync.Mutex
		wg  sync.WaitGroup
	)
	for _, t := range targets {
		wg.Go(func() {
			p := h.probe(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, p)
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b Probed) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all, ctx.Err()
}

// probe dials a site and waits for its answer.
func (h *Host) probe(ctx context.Context, to peer.AddrInfo) Probed {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	p := Probed{ID: to.ID}
	if err := h.Connect(ctx, to); err != nil {
		p.Failure = printable(dialFailure(err))
		return p
	}
	select {
	case r := <-ping.Ping(ctx, h, to.ID):
		if r.Error != nil {
			p.Failure = printable(fmt.Sprintf("connected, then: %v", r.Error))
			return p
		}
		p.RTT = r.RTT
	case <-ctx.Done():
		p.Failure = "connected, and says nothing"
		return p
	}
	if agent, err := h.Peerstore().Get(to.ID, "AgentVersion"); err == nil {
		p.Program, _ = agent.(string)
		p.Program = printable(p.Program)
	}
	return p
}
