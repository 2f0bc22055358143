package gossip

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Memory is a mesh without a network: the twin of Mesh for tests and for many sites in one process.
// A message published goes from neighbour to neighbour as the handlers accept it, as with
// gossipsub, only that every neighbour gets every message. It runs under testing/synctest.
type Memory struct {
	mu      sync.Mutex
	members map[peer.ID]*Member // who has ever joined; a site that comes back is another member
	cut     map[[2]peer.ID]bool
}

// NewMemory returns a mesh that nobody has joined.
func NewMemory() *Memory {
	return &Memory{members: map[peer.ID]*Member{}, cut: map[[2]peer.ID]bool{}}
}

// Member is a site's place in a Memory.
type Member struct {
	net     *Memory
	id      peer.ID
	handler Handler
	life    *life
	closing sync.Once
	seen    seen
	conduct conduct

	// Guarded by net.mu.
	lanes    map[peer.ID]*lane[letter] // what comes from each other member
	since    map[peer.ID]time.Time     // members connected with this one
	watchers watchers
}

// letter is a message on its way from one member to the next.
type letter struct {
	data      []byte
	published bool
}

func (l letter) size() int { return len(l.data) }

var _ Transport = (*Member)(nil)

// Join adds a site and connects it with all who are there.
func (n *Memory) Join(id peer.ID, h Handler) (*Member, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.members[id]; old != nil && old.life.ctx.Err() == nil {
		return nil, fmt.Errorf("join %s: it is there already", id)
	}
	l := newLife()
	m := &Member{
		net: n, id: id, handler: h, life: l,
		lanes: map[peer.ID]*lane[letter]{}, since: map[peer.ID]time.Time{}, watchers: watchers{life: l},
	}
	n.members[id] = m
	n.relink()
	return m, nil
}

// Disconnect cuts the link between two sites: what is still on its way is lost.
func (n *Memory) Disconnect(a, b peer.ID) { n.setCut(a, b, true) }

// Connect mends the link between two sites.
func (n *Memory) Connect(a, b peer.ID) { n.setCut(a, b, false) }

func (n *Memory) setCut(a, b peer.ID, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]peer.ID{min(a, b), max(a, b)}] = cut
	n.relink()
}

// relink brings what members know of each other up to date after any change.
func (n *Memory) relink() {
	now := time.Now()
	ids := slices.Sorted(maps.Keys(n.members)) // so that events come in one order
	for _, p := range ids {
		for _, q := range ids {
			a, b := n.members[p], n.members[q]
			_, was := a.since[b.id]
			is := n.linked(a, b, now)
			switch {
			case is && !was:
				a.since[b.id] = now
				a.watchers.notify(b.id, true)
			case was && !is:
				delete(a.since, b.id)
				a.watchers.notify(b.id, false)
			}
		}
	}
}

func (n *Memory) linked(a, b *Member, now time.Time) bool {
	return a != b && a.life.ctx.Err() == nil && b.life.ctx.Err() == nil &&
		!n.cut[[2]peer.ID{min(a.id, b.id), max(a.id, b.id)}] &&
		!a.conduct.isBanned(b.id, now) && !b.conduct.isBanned(a.id, now)
}

// carry puts a letter into the lane from one member to another. It is lost if they are not
// connected.
func (n *Memory) carry(from *Member, to peer.ID, l letter) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.members[to]
	if _, ok := from.since[to]; !ok {
		from.conduct.drop(to, 1)
		return nil
	}
	way := b.lanes[from.id]
	if way == nil {
		way = newLane(b.life, func(l letter) { b.deliver(from.id, l) })
		b.lanes[from.id] = way
	}
	err := way.push(l)
	if err != nil {
		from.conduct.drop(to, 1)
	}
	return err
}

// deliver hands a letter to the handler and, if it was published and is accepted, passes it on.
func (m *Member) deliver(from peer.ID, l letter) {
	m.net.mu.Lock()
	_, connected := m.since[from]
	m.net.mu.Unlock()
	if !connected || l.published && !m.seen.first(l.data, time.Now()) {
		return
	}
	switch m.handler(m.life.ctx, from, l.data) {
	case Accept:
		if l.published {
			m.spread(l, from)
		}
	case Reject:
		m.blame(from)
	case Ignore:
	}
}

// spread passes a published letter to the neighbours, but not back.
func (m *Member) spread(l letter, from peer.ID) {
	m.net.mu.Lock()
	to := make([]peer.ID, 0, len(m.since))
	for p := range m.since {
		if p != from {
			to = append(to, p)
		}
	}
	m.net.mu.Unlock()
	slices.Sort(to)
	for _, p := range to {
		_ = m.net.carry(m, p, l) // a loss is counted
	}
}

func (m *Member) blame(p peer.ID) {
	_, until := m.conduct.strike(p, strikeMessage, time.Now())
	if until.IsZero() {
		return
	}
	m.net.mu.Lock()
	m.net.relink()
	m.net.mu.Unlock()
	m.life.spawn(func() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-m.life.ctx.Done():
		case <-timer.C:
			m.net.mu.Lock()
			defer m.net.mu.Unlock()
			m.net.relink()
		}
	})
}

// Run stays in the mesh until ctx ends, then leaves it.
func (m *Member) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-m.life.ctx.Done():
	}
	m.Close()
	return nil
}

// Close leaves the mesh and returns when no handler runs any more, so it must not be called from
// one.
func (m *Member) Close() {
	m.closing.Do(func() {
		m.life.end()
		m.net.mu.Lock()
		m.net.relink()
		m.net.mu.Unlock()
		m.life.wait()
	})
}

// ID implements Transport.
func (m *Member) ID() peer.ID { return m.id }

// Publish implements Transport.
func (m *Member) Publish(_ context.Context, data []byte) error {
	if err := m.check(data); err != nil {
		return fmt.Errorf("publish %d bytes: %w", len(data), err)
	}
	if m.seen.first(data, time.Now()) {
		m.spread(letter{slices.Clone(data), true}, m.id)
	}
	return nil
}

// Send implements Transport.
func (m *Member) Send(_ context.Context, to peer.ID, data []byte) error {
	if err := m.check(data); err != nil {
		return fmt.Errorf("send %d bytes: %w", len(data), err)
	}
	m.net.mu.Lock()
	_, known := m.net.members[to]
	m.net.mu.Unlock()
	if !known || to == m.id {
		return fmt.Errorf("send to %s: %w", to, ErrStranger)
	}
	if err := m.net.carry(m, to, letter{slices.Clone(data), false}); err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return nil
}

func (m *Member) check(data []byte) error {
	switch {
	case m.life.ctx.Err() != nil:
		return ErrClosed
	case len(data) == 0 || len(data) > MaxMessage:
		return ErrSize
	}
	return nil
}

// Peers implements Transport.
func (m *Member) Peers() []PeerInfo {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	now := time.Now()
	infos := make([]PeerInfo, 0, len(m.net.members))
	for p := range m.net.members {
		if p == m.id {
			continue
		}
		i := PeerInfo{ID: p}
		i.Since, i.Connected = m.since[p]
		m.conduct.fill(&i, now)
		infos = append(infos, i)
	}
	slices.SortFunc(infos, func(a, b PeerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}

// Watch implements Transport.
func (m *Member) Watch(ctx context.Context) <-chan Event {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	connected := make([]peer.ID, 0, len(m.since))
	for p := range m.since {
		connected = append(connected, p)
	}
	slices.Sort(connected)
	return m.watchers.watch(ctx, connected)
}
