package exchange

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"golang.org/x/sync/semaphore"

	"github.com/weft-mesh/weft/block"
)

// link is the stream on which one provider is asked. Its goroutine lives as long as the
// provider is on the board; it opens the stream when a fetch needs it, and again when it broke.
type link struct {
	x        *Exchange
	provider *provider
	pulse    pulse

	mu     sync.Mutex
	cancel context.CancelFunc // ends the stream that is open
}

// errGone ends the stream of a provider that was dismissed.
var errGone = errors.New("provider was dropped")

// link starts the link of a provider that is new on the board, whose lock the caller holds. It
// returns false if the exchange is closed.
func (x *Exchange) link(p *provider) bool {
	if !x.enter() {
		return false
	}
	l := &link{x: x, provider: p}
	ctx, cancel := context.WithCancel(x.ctx)
	p.retire = cancel
	x.mu.Lock()
	x.links[l] = struct{}{}
	x.mu.Unlock()
	go func() {
		defer x.wg.Done()
		defer cancel()
		l.run(ctx)
		x.mu.Lock()
		delete(x.links, l)
		x.mu.Unlock()
	}()
	return true
}

// run keeps a stream open while fetches need it, until the provider leaves the board.
func (l *link) run(ctx context.Context) {
	b, p := l.x.board, l.provider
	for l.needed(ctx) {
		err := l.talk(ctx)
		l.x.judge(p.id, err)
		if ctx.Err() != nil {
			return
		}
		b.mu.Lock()
		failures := b.lost(p)
		b.mu.Unlock()
		l.x.cfg.Log.Debug("stream to provider ended", "peer", p.id, "failures", failures, "err", err)
		if !l.pause(ctx, failures) {
			return
		}
	}
}

// needed waits until a fetch has a lane to the provider; false if none will.
func (l *link) needed(ctx context.Context) bool {
	for {
		l.x.board.mu.Lock()
		n := len(l.provider.lanes)
		l.x.board.mu.Unlock()
		if n > 0 {
			return true
		}
		select {
		case <-l.provider.wake:
		case <-ctx.Done():
			return false
		}
	}
}

// pause waits before the next try, with jitter; false if there is none.
func (l *link) pause(ctx context.Context, failures int) bool {
	d := l.x.cfg.Backoff
	for i := 1; i < failures && d < l.x.cfg.MaxBackoff; i++ {
		d *= 2
	}
	d = min(d, l.x.cfg.MaxBackoff)
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// talk opens a stream, and asks and reads answers on it until it ends.
func (l *link) talk(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.cancel = cancel
	l.mu.Unlock()
	s, err := l.open(ctx)
	if err != nil {
		return err
	}
	l.pulse.beat()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	read := make(chan error, 1)
	go func() {
		defer cancel() // frees a writer that is stuck
		read <- l.read(ctx, s)
	}()
	err = l.write(ctx, s)
	cancel()
	_ = s.Reset() // at once, so that read ends
	if readErr := <-read; err == nil || misbehaved(readErr) {
		return readErr
	}
	return err
}

func (l *link) open(ctx context.Context) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, l.x.cfg.DialTimeout)
	defer cancel()
	s, err := l.x.cfg.Host.NewStream(ctx, l.provider.id, Protocol)
	if errors.Is(err, swarm.ErrDialBackoff) {
		// The host would rest for 5 s and more after one failed dial, such as two peers
		// dialling each other at the same moment. The link has a backoff of its own.
		ctx = network.WithForceDirectDial(ctx, "link backs off by itself")
		s, err = l.x.cfg.Host.NewStream(ctx, l.provider.id, Protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", l.provider.id, err)
	}
	return s, nil
}

// reset breaks the stream, so that it is opened again.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}

func (l *link) stalled(since time.Time) bool { return l.pulse.stopped(since) }

// write sends what the board picks until the stream ends (nil: its reader says why).
func (l *link) write(ctx context.Context, s network.Stream) error {
	b, p := l.x.board, l.provider
	w := pulseWriter{s, &l.pulse}
	var frames []byte
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		b.mu.Lock()
		o := b.pick(p, time.Now())
		l.pulse.beat() // with the lock, so that new asks never meet an old pulse
		b.mu.Unlock()
		if !o.empty() {
			frames = o.append(frames[:0])
			if _, err := w.Write(frames); err != nil {
				return fmt.Errorf("ask %s: %w", p.id, err)
			}
			continue
		}
		again.Stop()
		if !o.again.IsZero() {
			again.Reset(time.Until(o.again))
		}
		select {
		case <-p.wake:
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// append writes o as frames: cancels first, they free room at the provider.
func (o *outgoing) append(dst []byte) []byte {
	list := func(k kind, ord order, cids []block.CID) {
		for len(cids) > 0 {
			n := min(len(cids), MaxListed)
			dst = appendList(dst, k, ord, cids[:n])
			cids = cids[n:]
		}
	}
	list(kindCancel, 0, o.cancel)
	list(kindWant, urgent, o.want[urgent])
	list(kindWant, bulk, o.want[bulk])
	return dst
}

// read takes answers until the stream ends.
func (l *link) read(ctx context.Context, s network.Stream) error {
	b, p := l.x.board, l.provider
	d := newDecoder(pulseReader{s, &l.pulse})
	for {
		k, n, err := d.next()
		if err != nil {
			return fmt.Errorf("read answers of %s: %w", p.id, err)
		}
		var cids []block.CID
		switch k {
		case kindBlock:
			err = l.readBlock(ctx, d, n)
		case kindHave, kindDontHave:
			cids, err = d.list(n)
		default:
			err = fmt.Errorf("%w: %s from a provider", ErrFrame, k)
		}
		if err != nil {
			return err
		}
		b.mu.Lock()
		for _, c := range cids {
			if k == kindHave {
				b.have(p, c)
			} else if !b.refuse(p, c) {
				err = unasked(p, c)
				break
			}
		}
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// unasked returns what to think of an answer of p that was not asked for.
func unasked(p *provider, c block.CID) error {
	if p.gone {
		return errGone
	}
	return &Misbehaviour{p.id, c, ErrUnasked}
}

// readBlock takes a block frame's body of n bytes.
func (l *link) readBlock(ctx context.Context, d *decoder, n int) error {
	x, b, p := l.x, l.x.board, l.provider
	c, err := d.cid()
	if err != nil {
		return err
	}
	b.mu.Lock()
	if !b.comes(p, c, &arrival{&l.pulse, time.Now(), l.pulse.read.Load(), int64(n)}) {
		err = unasked(p, c)
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	buf := x.buffers.get(n - cidSize)
	if err = d.bytes(buf.data); err == nil {
		err = l.hold(ctx, x.held, int64(len(buf.data)))
	}
	if err != nil {
		x.buffers.put(buf)
		return fmt.Errorf("read block %s of %s: %w", c, p.id, err)
	}
	size := len(buf.data)
	recycle := func() {
		x.held.Release(int64(size))
		x.buffers.put(buf)
	}
	b.mu.Lock()
	taken := b.arrive(p, c, buf, recycle, time.Now())
	b.mu.Unlock()
	x.traffic.received(p.id, size, taken)
	if !taken {
		recycle()
	}
	return nil
}

// hold waits for room for n bytes. The guesses of the board make that rare. Meanwhile it is
// not the provider who stalls.
func (l *link) hold(ctx context.Context, held *semaphore.Weighted, n int64) error {
	if held.TryAcquire(n) {
		return nil
	}
	l.pulse.rest.Store(true)
	defer func() {
		l.pulse.beat()
		l.pulse.rest.Store(false)
	}()
	return held.Acquire(ctx, n)
}

func misbehaved(err error) bool {
	return errors.Is(err, ErrWrongBytes) || errors.Is(err, ErrFrame) || errors.Is(err, ErrLimit) || errors.Is(err, ErrUnasked)
}
