package exchange

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/weft-mesh/weft/block"
)

// answers is what a requester is sent next.
type answers struct {
	refuse, have []block.CID
	block        block.CID // if defined
	leave        bool      // nothing more will come
}

func (a *answers) empty() bool { return len(a.refuse)+len(a.have) == 0 && !a.block.Defined() }

// next takes everything short, and one block.
func (r *requester) next() (a answers) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.refuse, a.have = r.refuse, r.have
	r.refuse, r.have = nil, nil
	for _, c := range a.refuse {
		delete(r.unanswered, c) // before the answer is sent: it may be wanted again at once
	}
	for r.queue.Len() > 0 {
		if q := r.queue.next(); r.stands(q) {
			r.unanswered[q.cid] = sending
			a.block = q.cid
			break
		}
	}
	a.leave = r.leaving && a.empty()
	return a
}

// answer sends answers until all are sent and the requester has closed its side.
func (r *requester) answer(ctx context.Context, s network.Stream) error {
	w := bufio.NewWriterSize(pulseWriter{s, &r.pulse}, writeBuffer)
	kept := scratch{pool: &r.server.x.buffers}
	defer kept.free()
	for {
		a := r.next()
		if a.leave {
			return nil
		}
		if a.empty() {
			kept.free()
			select {
			case <-r.wake:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if err := r.send(w, lists(a)); err != nil {
			return err
		}
		if !a.block.Defined() {
			continue
		}
		data, err := r.get(ctx, a.block, &kept)
		if err != nil {
			return err
		}
		if err := r.sendBlock(w, a.block, data); err != nil {
			return err
		}
	}
}

// lists returns the frames for the short answers of a.
func lists(a answers) []byte {
	var dst []byte
	for _, l := range []struct {
		k    kind
		cids []block.CID
	}{{kindDontHave, a.refuse}, {kindHave, a.have}} {
		for len(l.cids) > 0 {
			n := min(len(l.cids), MaxListed)
			dst = appendList(dst, l.k, 0, l.cids[:n])
			l.cids = l.cids[n:]
		}
	}
	return dst
}

// get reads c from the source when it is r's turn; nil if it cannot be had after all.
func (r *requester) get(ctx context.Context, c block.CID, kept *scratch) ([]byte, error) {
	v := r.server
	if err := v.readers.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer v.readers.Release(1)
	if !v.mayServe(r.peer, c) { // no longer
		v.remember(r, c)
		return nil, nil
	}
	data, err := v.x.cfg.Source.Read(c, kept.memory())
	if err != nil || len(data) > block.MaxSize {
		v.x.cfg.Log.Warn("block cannot be served", "cid", c, "bytes", len(data), "err", err)
		v.remember(r, c)
		return nil, nil
	}
	if data == nil {
		data = []byte{} // the empty block
	}
	kept.fit(len(data))
	return data, nil
}

// sendBlock answers the want for c: with data, or with dont-have if that is nil.
func (r *requester) sendBlock(w *bufio.Writer, c block.CID, data []byte) error {
	r.mu.Lock()
	delete(r.unanswered, c)
	r.mu.Unlock()
	if data == nil {
		return r.send(w, lists(answers{refuse: []block.CID{c}}))
	}
	if err := r.send(w, appendBlockHeader(nil, c, len(data)), data); err != nil {
		return err
	}
	r.server.x.traffic.sent(r.peer, len(data))
	return nil
}

// send writes and flushes parts. Meanwhile the sweep watches that the requester takes them.
func (r *requester) send(w *bufio.Writer, parts ...[]byte) error {
	r.pulse.beat()
	r.writing.Store(true)
	defer r.writing.Store(false)
	for _, b := range parts {
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("answer %s: %w", r.peer, err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("answer %s: %w", r.peer, err)
	}
	return nil
}

// still reports whether the requester took nothing since stall though there was something, or
// wants nothing and sent nothing since idle.
func (r *requester) still(stall, idle time.Time) bool {
	if r.writing.Load() {
		return r.pulse.stopped(stall)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.unanswered) == 0 && r.pulse.stopped(idle)
}
