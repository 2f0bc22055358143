package gossip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/weft-mesh/weft/gossip/conduct"
)

// direct carries messages to one site: one long-lived stream per direction and pair, on which
// frames follow each other. The writer never reads, the reader never writes.
type direct struct {
	m     *Mesh
	proto protocol.ID

	mu  sync.Mutex
	out map[peer.ID]*outbox
	in  map[peer.ID]*inbox
}

// outbox is the way to one peer. The stream belongs to the lane's goroutine.
type outbox struct {
	lane   *lane[parcel]
	stream network.Stream
}

// parcel is a message as it is written.
type parcel []byte

func (p parcel) size() int { return len(p) }

// inbox is the stream that comes from one peer.
type inbox struct {
	stream network.Stream
	done   chan struct{}
}

func newDirect(m *Mesh) *direct {
	return &direct{
		m: m, proto: protocol.ID(m.name("direct")),
		out: map[peer.ID]*outbox{}, in: map[peer.ID]*inbox{},
	}
}

// Send queues data, 1 to MaxMessage bytes, for one site and returns at once. What is sent to one
// site arrives in order, with gaps where the connection broke; a message that was being written
// when it broke may arrive twice. The newest is refused with ErrFull when the queue is. A nil error
// means that the message is on its way, not that it will arrive.
func (m *Mesh) Send(_ context.Context, to peer.ID, data []byte) error {
	switch {
	case len(data) == 0 || len(data) > MaxMessage:
		return fmt.Errorf("send %d bytes: %w", len(data), ErrSize)
	case to == m.host.ID() || !m.host.gate.expects(to):
		return fmt.Errorf("send to %s: %w", to, ErrStranger)
	}
	if err := m.direct.outbox(to).lane.push(appendFrame(nil, data)); err != nil {
		m.conduct.Drop(to, 1)
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return nil
}

func (d *direct) outbox(p peer.ID) *outbox {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.out[p]
	if o == nil {
		o = &outbox{}
		o.lane = newLane(d.m.life, func(b parcel) { d.write(p, o, b) })
		d.out[p] = o
	}
	return o
}

// forget drops the outboxes of peers that are no longer admitted.
func (d *direct) forget(admitted func(peer.ID) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, o := range d.out {
		if !admitted(p) {
			o.lane.clear()
			delete(d.out, p)
		}
	}
}

// write sends one frame. If the stream of earlier messages broke meanwhile, it opens another, once.
// If there is no way to the peer, what is queued for it goes too: by the time there is one it is stale.
func (d *direct) write(p peer.ID, o *outbox, frame parcel) {
	reused := o.stream != nil
	err := d.try(p, o, frame)
	if err != nil && reused {
		err = d.try(p, o, frame)
	}
	if err != nil {
		d.m.conduct.Drop(p, 1+o.lane.clear())
		d.m.log.Debug("messages dropped", "peer", p, "err", err)
	}
}

func (d *direct) try(p peer.ID, o *outbox, frame parcel) (err error) {
	if o.stream == nil {
		ctx, cancel := context.WithTimeout(d.m.life.ctx, openTimeout)
		defer cancel()
		if o.stream, err = d.m.host.NewStream(ctx, p, d.proto); err != nil {
			o.stream = nil
			return fmt.Errorf("open stream: %w", err)
		}
	}
	if err = o.stream.SetWriteDeadline(time.Now().Add(frameTimeout)); err == nil {
		_, err = o.stream.Write(frame)
	}
	if err != nil {
		_ = o.stream.Reset() // its state is unknown; nothing more can be done for it
		o.stream = nil
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// serve reads a peer's stream until it ends. A new stream means that the peer has given up the old
// one; messages of the two are not mixed.
func (d *direct) serve(s network.Stream) {
	p := s.Conn().RemotePeer()
	if !d.m.host.gate.admits(p) || !d.m.life.enter() {
		_ = s.Reset()
		return
	}
	defer d.m.life.leave()
	i := &inbox{s, make(chan struct{})}
	d.mu.Lock()
	before := d.in[p]
	d.in[p] = i
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.in[p] == i {
			delete(d.in, p)
		}
		close(i.done)
	}()
	if before != nil {
		_ = before.stream.Reset()
		<-before.done
	}
	err := d.read(p, s)
	_ = s.Reset()
	if errors.Is(err, ErrFrame) {
		d.m.blame(p, conduct.Frame, "direct stream refused", err)
	}
}

func (d *direct) read(p peer.ID, s network.Stream) error {
	r := bufio.NewReader(s)
	for {
		if err := s.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		n, err := readLength(r, MaxMessage)
		if err != nil {
			return err
		}
		if err := s.SetReadDeadline(time.Now().Add(frameTimeout)); err != nil {
			return err
		}
		data, err := readBody(r, n)
		if err != nil {
			return err
		}
		if !d.m.host.gate.admits(p) {
			return ErrStranger // since a moment ago; the connection is being closed
		}
		if d.m.handle(p, data) == Reject {
			d.m.blame(p, conduct.Message, "direct message rejected", nil)
		}
	}
}
