package exchange

import (
	"context"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/semaphore"

	"github.com/weft-mesh/weft/block"
)

// server is the providing half of an exchange: the requesters' streams, and what was refused on them.
type server struct {
	x       *Exchange
	readers *semaphore.Weighted // Gets at once; first come, first served

	mu         sync.Mutex
	requesters map[peer.ID]*requester
	refused    map[block.CID]map[*requester]struct{}
}

func newServer(x *Exchange) *server {
	return &server{
		x:          x,
		readers:    semaphore.NewWeighted(int64(x.cfg.Readers)),
		requesters: make(map[peer.ID]*requester),
		refused:    make(map[block.CID]map[*requester]struct{}),
	}
}

// handle serves a stream that a requester opened, until it ends.
func (v *server) handle(s network.Stream) {
	id := s.Conn().RemotePeer()
	if !v.x.enter() {
		_ = s.Reset()
		return
	}
	defer v.x.wg.Done()
	ctx, cancel := context.WithCancel(v.x.ctx)
	defer cancel()
	r := newRequester(v, id, cancel)
	if !v.admit(r) || v.x.banned(id) { // in this order: a drop in between finds r to cut
		_ = s.Reset()
		v.forget(r)
		return
	}
	err := r.serve(ctx, s)
	v.forget(r)
	v.x.cfg.Log.Debug("stream of requester ended", "peer", id, "err", err)
	if err != nil {
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// admit takes r in. A peer has one stream: an older one is what is left of a connection that broke.
func (v *server) admit(r *requester) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.requesters[r.peer]
	if old == nil && len(v.requesters) >= v.x.cfg.MaxRequesters {
		v.x.cfg.Log.Warn("requester turned away, too many are served", "peer", r.peer, "requesters", len(v.requesters))
		return false
	}
	if old != nil {
		old.cut()
	}
	v.requesters[r.peer] = r
	return true
}

func (v *server) forget(r *requester) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.requesters[r.peer] == r {
		delete(v.requesters, r.peer)
	}
	for c := range r.remembered {
		v.unremember(r, c)
	}
}

// cut ends the stream of a peer that was dropped.
func (v *server) cut(id peer.ID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.requesters[id]; r != nil {
		r.cut()
	}
}

// remember notes that r would like to hear of c.
func (v *server) remember(r *requester, c block.CID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(r.remembered) >= MaxRemembered {
		return
	}
	r.remembered[c] = struct{}{}
	who := v.refused[c]
	if who == nil {
		who = make(map[*requester]struct{})
		v.refused[c] = who
	}
	who[r] = struct{}{}
}

// drop forgets it again.
func (v *server) drop(r *requester, c block.CID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unremember(r, c)
}

func (v *server) unremember(r *requester, c block.CID) {
	delete(r.remembered, c)
	who := v.refused[c]
	delete(who, r)
	if len(who) == 0 {
		delete(v.refused, c)
	}
}

// added tells those who were refused cids and may have them.
func (v *server) added(cids []block.CID) {
	for _, c := range cids {
		v.mu.Lock()
		var who []*requester
		for r := range v.refused[c] {
			who = append(who, r)
		}
		v.mu.Unlock()
		for _, r := range who {
			if v.mayServe(r.peer, c) {
				v.drop(r, c)
				r.tell(c)
			}
		}
	}
}

// mayServe reports whether c is here and p may have it. Both are always asked, so that the
// time of the answer does not tell the one from the other.
func (v *server) mayServe(p peer.ID, c block.CID) bool {
	has := v.x.cfg.Source.Has(c)
	return v.x.cfg.Allow(p, c) && has
}

// sweep cuts the requesters that take nothing, or ask for nothing.
func (v *server) sweep(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range v.requesters {
		if r.still(now.Add(-v.x.cfg.Stall), now.Add(-2*v.x.cfg.Idle)) {
			v.x.cfg.Log.Debug("requester stands still", "peer", r.peer)
			r.cut()
		}
	}
}
