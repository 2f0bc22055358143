package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// requester is a peer that is served on one stream. One goroutine reads its wants and
// never waits for anything else, so that wants and cancels are seen at once; another answers them. What is
// unanswered is bounded by MaxUnanswered, so neither list grows with a peer that
// asks and does not read.
type requester struct {
	server  *server
	peer    peer.ID
	cut     func() // ends the stream
	pulse   pulse
	writing atomic.Bool // an answer, so the pulse should beat
	wake    chan struct{}

	remembered map[block.CID]struct{} // refused CIDs; the server's lock guards it

	mu         sync.Mutex
	unanswered map[block.CID]uint64 // the want's number in the queue, or one of the two below
	queue      queue                // may hold numbers that a cancel made void
	refuse     []block.CID          // dont-have to be sent
	have       []block.CID          // have to be sent
	leaving    bool                 // it closed its side
}

// Instead of a number in the queue, which counts from 1.
const (
	refusing uint64 = 0
	sending         = ^uint64(0)
)

func newRequester(v *server, id peer.ID, cut func()) *requester {
	r := &requester{
		server: v, peer: id, cut: cut,
		wake:       make(chan struct{}, 1),
		remembered: make(map[block.CID]struct{}),
		unanswered: make(map[block.CID]uint64),
	}
	r.pulse.beat()
	return r
}

func (r *requester) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// serve returns when the stream ended; nil if the requester closed it and has all its answers.
func (r *requester) serve(ctx context.Context, s network.Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	wrote := make(chan error, 1)
	go func() {
		err := r.answer(ctx, s)
		if err != nil {
			cancel() // frees the reader
		}
		wrote <- err
	}()
	err := r.read(s)
	if err != nil {
		cancel()                      // frees the writer, unless the source is slow
		r.server.x.judge(r.peer, err) // which must not wait for that
	}
	if writeErr := <-wrote; err == nil {
		return writeErr
	}
	return err
}

// read takes wants and cancels until the requester closes its side.
func (r *requester) read(s network.Stream) error {
	d := newDecoder(pulseReader{s, &r.pulse})
	for {
		k, n, err := d.next()
		if errors.Is(err, io.EOF) {
			r.mu.Lock()
			r.leaving = true
			r.mu.Unlock()
			r.kick()
			return nil
		}
		if err != nil {
			return fmt.Errorf("read wants of %s: %w", r.peer, err)
		}
		var ord order
		var cids []block.CID
		switch k {
		case kindWant:
			if ord, cids, err = d.want(n); err == nil {
				err = r.want(ord, cids)
			}
		case kindCancel:
			if cids, err = d.list(n); err == nil {
				r.cancel(cids)
			}
		default:
			err = fmt.Errorf("%w: %s from a requester", ErrFrame, k)
		}
		if err != nil {
			return err
		}
		r.kick()
	}
}

// want queues what can be had and refuses the rest.
func (r *requester) want(ord order, cids []block.CID) error {
	for _, c := range cids {
		ok := r.server.mayServe(r.peer, c)
		if err := r.accept(ord, c, ok); err != nil {
			return err
		}
		if ok {
			continue
		}
		// Refused first, so that a have follows its dont-have; then remembered; then a
		// second look, for what was added in between.
		r.server.remember(r, c)
		if r.server.mayServe(r.peer, c) {
			r.server.drop(r, c)
			r.tell(c)
		}
	}
	return nil
}

func (r *requester) accept(ord order, c block.CID, ok bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := r.unanswered[c]; twice {
		return &Misbehaviour{r.peer, c, fmt.Errorf("%w: wanted again before the answer", ErrLimit)}
	}
	if len(r.unanswered) >= MaxUnanswered {
		return fmt.Errorf("%w: more than %d wants unanswered", ErrLimit, MaxUnanswered)
	}
	if r.queue.Len() >= 2*MaxUnanswered {
		r.queue.keep(r.stands) // half of it or more was cancelled
	}
	if ok {
		r.unanswered[c] = r.queue.add(ord, c)
	} else {
		r.unanswered[c] = refusing
		r.refuse = append(r.refuse, c)
	}
	return nil
}

// stands reports whether no cancel made q void.
func (r *requester) stands(q queued) bool { return r.unanswered[q.cid] == q.seq }

// cancel refuses what is still queued. The requester is not interested in hearing of any of them.
func (r *requester) cancel(cids []block.CID) {
	for _, c := range cids {
		r.server.drop(r, c)
		r.mu.Lock()
		if n, ok := r.unanswered[c]; ok && n != refusing && n != sending {
			r.unanswered[c] = refusing
			r.refuse = append(r.refuse, c)
		}
		r.mu.Unlock()
	}
}

// tell queues a have.
func (r *requester) tell(c block.CID) {
	r.mu.Lock()
	r.have = append(r.have, c)
	r.mu.Unlock()
	r.kick()
}
