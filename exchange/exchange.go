package exchange

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/semaphore"

	"github.com/weft-mesh/weft/block"
)

// Protocol is the libp2p protocol ID of the exchange.
const Protocol = "/weft/blocks/1"

// Exchange fetches blocks from other peers and serves them to other peers.
//
// Lock order: fetch.report, board.mu, Exchange.mu; the server's locks are taken alone, the
// requester's last.
type Exchange struct {
	cfg     Config
	board   *board
	server  *server
	buffers buffers
	held    *semaphore.Weighted // bytes of blocks that arrived and are not through Put
	traffic traffic

	ctx   context.Context // ends with Run
	close context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	bans   map[peer.ID]time.Time // until when
	links  map[*link]struct{}
}

// New returns an exchange that serves Config.Source from now on. Its Run must be called once, also
// to end it.
func New(cfg Config) (*Exchange, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	x := &Exchange{
		cfg: cfg,
		board: newBoard(limits{
			memory: cfg.Memory,
			window: cfg.Window, maxWindow: cfg.MaxWindow,
			attempts: cfg.Attempts,
		}),
		held:  semaphore.NewWeighted(cfg.Memory),
		bans:  make(map[peer.ID]time.Time),
		links: make(map[*link]struct{}),
	}
	x.traffic.peers = make(map[peer.ID]*PeerStats)
	x.ctx, x.close = context.WithCancel(context.Background())
	x.server = newServer(x)
	cfg.Host.SetStreamHandler(Protocol, x.server.handle)
	return x, nil
}

// Run watches over the streams until ctx ends. Then it closes them, takes the stream handler
// back, waits for all goroutines of the exchange and returns nil. Fetches that run then
// return ErrClosed.
func (x *Exchange) Run(ctx context.Context) error {
	every := time.NewTicker(min(x.cfg.Stall, x.cfg.Idle, x.cfg.Penalty) / 4)
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-every.C:
			x.sweep(now)
		}
	}
	x.cfg.Host.RemoveStreamHandler(Protocol)
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.close()
	x.wg.Wait()
	return nil
}

// enter counts a goroutine of the exchange in, unless it is closed. The goroutine ends with wg.Done.
func (x *Exchange) enter() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return false
	}
	x.wg.Add(1)
	return true
}

// enlist gives f more providers. This peer itself and peers that serve a penalty are passed over.
func (x *Exchange) enlist(f *fetch, ids ...peer.ID) {
	b := x.board
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		if id == x.cfg.Host.ID() || x.banned(id) {
			x.cfg.Log.Debug("provider passed over", "peer", id)
			continue
		}
		p, isNew := b.provider(id)
		if isNew && !x.link(p) {
			return
		}
		b.enlist(f, p)
	}
}

// drop names a peer that misbehaved and keeps it out for the penalty.
func (x *Exchange) drop(m *Misbehaviour) {
	now := time.Now()
	x.mu.Lock()
	first := !now.Before(x.bans[m.Peer])
	x.bans[m.Peer] = now.Add(x.cfg.Penalty)
	x.mu.Unlock()

	b := x.board
	b.mu.Lock()
	p := b.providers[m.Peer]
	if p != nil {
		b.dismiss(p)
	}
	b.mu.Unlock()
	if p != nil {
		p.retire()
	}
	x.server.cut(m.Peer)
	if first {
		x.cfg.Log.Warn("peer dropped", "peer", m.Peer, "cid", m.CID, "err", m.Err)
		x.cfg.Misbehaved(m.Peer, m)
	}
}

// judge drops p if err is one of what a peer can do wrong.
func (x *Exchange) judge(p peer.ID, err error) {
	var m *Misbehaviour
	switch {
	case errors.As(err, &m):
	case errors.Is(err, ErrFrame), errors.Is(err, ErrLimit), errors.Is(err, ErrUnasked):
		m = &Misbehaviour{Peer: p, Err: err}
	default:
		return
	}
	x.drop(m)
}

func (x *Exchange) banned(id peer.ID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	until, ok := x.bans[id]
	return ok && time.Now().Before(until)
}

// Added says that Source has these blocks now, and tells the requesters that were refused
// them before. Blocks that went through the Put of a fetch need no call.
func (x *Exchange) Added(cids ...block.CID) { x.server.added(cids) }

// sweep ends what stands still: streams without progress, streams without work, penalties.
func (x *Exchange) sweep(now time.Time) {
	x.mu.Lock()
	for id, until := range x.bans {
		if now.After(until) {
			delete(x.bans, id)
		}
	}
	links := make([]*link, 0, len(x.links))
	for l := range x.links {
		links = append(links, l)
	}
	x.mu.Unlock()

	b := x.board
	b.mu.Lock()
	idle := b.idle(now.Add(-x.cfg.Idle))
	var stalled []*link
	for _, l := range links {
		if len(l.provider.asks) > 0 && l.stalled(now.Add(-x.cfg.Stall)) {
			stalled = append(stalled, l)
		}
	}
	b.mu.Unlock()
	for _, p := range idle {
		p.retire()
	}
	for _, l := range stalled {
		x.cfg.Log.Debug("provider stalled", "peer", l.provider.id)
		l.reset()
	}
	x.server.sweep(now)
}
