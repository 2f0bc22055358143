package gossip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/weft-mesh/weft/gossip/conduct"
)

// recordsProtocol carries address records: the opener writes frames, one signed record each, and
// closes; the other side reads them, closes too, and answers nothing.
const recordsProtocol protocol.ID = "/weft/peers/1"

// records brings the book to every connected peer: all of it after the connection, then what is
// new. A record that is new here is new to most, so each is passed on once by each site.
type records struct {
	m *Mesh

	mu      sync.Mutex
	sent    map[peer.ID]uint64 // version of the book up to which a connected peer has it
	pushing map[peer.ID]bool
	pulling map[peer.ID]bool
}

func newRecords(m *Mesh) *records {
	return &records{m: m, sent: map[peer.ID]uint64{}, pushing: map[peer.ID]bool{}, pulling: map[peer.ID]bool{}}
}

// connected begins to tell p what the book holds.
func (r *records) connected(p peer.ID) {
	r.mu.Lock()
	if _, ok := r.sent[p]; !ok {
		r.sent[p] = 0
	}
	r.mu.Unlock()
	r.push(p)
}

func (r *records) disconnected(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sent, p)
}

// pushAll tells every connected peer what it lacks.
func (r *records) pushAll() {
	r.mu.Lock()
	peers := make([]peer.ID, 0, len(r.sent))
	for p := range r.sent {
		peers = append(peers, p)
	}
	r.mu.Unlock()
	for _, p := range peers {
		r.push(p)
	}
}

// push tells p what it lacks, in a goroutine, unless one is at it already; that one will see
// what came meanwhile.
func (r *records) push(p peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.pushing[p] && r.m.life.spawn(func() { r.pushLoop(p) }) {
		r.pushing[p] = true
	}
}

// pushLoop rests after each push, so that a site that changes its addresses all the time keeps nobody
// busy. It tries three times, for the other side may still be starting; then the next turn of care
// tries again.
func (r *records) pushLoop(p peer.ID) {
	const tries, rest = 3, 300 * time.Millisecond
	for failed := 0; ; {
		envelopes, version, ok := r.missing(p, failed == tries)
		if !ok {
			return
		}
		err := r.write(p, envelopes)
		if err == nil {
			r.note(p, version)
			failed = 0
		} else {
			r.m.log.Debug("addresses not sent", "peer", p, "err", err)
			failed++
		}
		select {
		case <-r.m.life.ctx.Done():
		case <-time.After(rest):
		}
	}
}

// note says that p has the book up to version.
func (r *records) note(p peer.ID, version uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, connected := r.sent[p]; connected {
		r.sent[p] = version
	}
}

// missing returns what p lacks; if that is nothing, or it is time to give up, the push is over.
func (r *records) missing(p peer.ID, giveUp bool) (envelopes [][]byte, version uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, connected := r.sent[p]
	if connected && !giveUp && r.m.life.ctx.Err() == nil {
		envelopes, version = r.m.book.since(since)
	}
	if len(envelopes) == 0 {
		delete(r.pushing, p)
		return nil, 0, false
	}
	return envelopes, version, true
}

func (r *records) write(p peer.ID, envelopes [][]byte) (err error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(r.m.life.ctx, "connected peers only"), recordsTimeout)
	defer cancel()
	s, err := r.m.host.NewStream(ctx, p, recordsProtocol)
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	defer func() {
		if err != nil {
			_ = s.Reset()
		}
	}()
	if err := s.SetDeadline(time.Now().Add(recordsTimeout)); err != nil {
		return err
	}
	var b []byte
	for _, e := range envelopes {
		b = appendFrame(b, e)
	}
	if _, err := s.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	// The other side closes when it has read all.
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("not taken: %w", err)
	}
	return s.Close()
}

// serve takes the records that a peer offers, one stream of each peer at a time.
func (r *records) serve(s network.Stream) {
	p := s.Conn().RemotePeer()
	err := r.take(p, s)
	if err == nil {
		// Tells the other side that all is read. A reset after it would overtake it on QUIC.
		_ = s.Close() // if it fails, they send again
		return
	}
	_ = s.Reset()
	if errors.Is(err, ErrFrame) || errors.Is(err, ErrRecord) {
		r.m.blame(p, conduct.Frame, "addresses refused", err)
	}
}

func (r *records) take(p peer.ID, s network.Stream) error {
	if !r.m.host.gate.admits(p) {
		return ErrStranger
	}
	if !r.m.life.enter() {
		return ErrClosed
	}
	defer r.m.life.leave()
	r.mu.Lock()
	busy := r.pulling[p]
	r.pulling[p] = true
	r.mu.Unlock()
	if busy {
		return ErrFull
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pulling, p)
	}()
	if err := s.SetDeadline(time.Now().Add(recordsTimeout)); err != nil {
		return err
	}
	return r.read(s)
}

func (r *records) read(s io.Reader) error {
	b := bufio.NewReader(s)
	var learnt []peer.ID
	defer func() { r.m.learnt(learnt) }() // also what came before an error
	for i := 0; ; i++ {
		n, err := readLength(b, maxRecord)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if i == maxRecords {
			return fmt.Errorf("%w: more than %d records", ErrFrame, maxRecords)
		}
		envelope, err := readBody(b, n)
		if err != nil {
			return err
		}
		p, kept, err := r.m.book.add(envelope, r.m.host.gate.roster)
		if err != nil {
			return err
		}
		if kept || p == r.m.host.ID() {
			learnt = append(learnt, p)
		}
	}
}
