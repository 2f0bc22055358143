package siege

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/zeebo/blake3"
	"golang.org/x/time/rate"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// uplink is what a member's line carries, in bytes a second: floods of bytes are measured behind 100 Mbit/s, as the loopback of
// one machine carries what no site's line does.
const uplink = 100e6 / 8

// writeTime is how long a stream may stall before the besieger opens another.
const writeTime = 2 * time.Second

// Besieger has a site's key, and none of its manners.
type Besieger struct {
	ID      peer.ID
	Targets []peer.AddrInfo

	key   crypto.PrivKey
	mesh  block.CID
	host  *gossip.Host
	topic *pubsub.Topic

	line    *rate.Limiter
	mu      sync.Mutex
	streams map[peer.ID]network.Stream

	sent, received atomic.Int64 // bytes of messages, to and from one site; published ones are sent to each
}

// NewBesieger starts the host of a site of a mesh and joins its topic.
func NewBesieger(ctx context.Context, key crypto.PrivKey, mesh block.CID, targets []peer.AddrInfo) (*Besieger, error) {
	h, err := gossip.NewHost(gossip.HostConfig{Key: key, Roster: func(peer.ID) bool { return true }})
	if err != nil {
		return nil, err
	}
	b := &Besieger{ID: h.ID(), Targets: targets, key: key, mesh: mesh, host: h, line: rate.NewLimiter(uplink, uplink/4), streams: map[peer.ID]network.Stream{}}
	h.SetStreamHandler(b.direct(), func(s network.Stream) {
		_, _ = io.Copy(io.Discard, counter{s, &b.received})
		_ = s.Reset()
	})
	ps, err := pubsub.NewGossipSub(ctx, h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(), pubsub.WithFloodPublish(true),
		pubsub.WithMaxMessageSize(2*gossip.MaxMessage), pubsub.WithPeerOutboundQueueSize(1024),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { d := blake3.Sum256(m.GetData()); return string(d[:]) }))
	if err == nil {
		b.topic, err = ps.Join(fmt.Sprintf("/weft/%s/round/1", mesh))
	}
	if err == nil {
		_, err = b.topic.Relay()
	}
	if err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("besieger: %w", err)
	}
	b.Connect(ctx)
	return b, nil
}

type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (b *Besieger) direct() protocol.ID { return protocol.ID(fmt.Sprintf("/weft/%s/direct/1", b.mesh)) }

// Close ends the host.
func (b *Besieger) Close() error { return b.host.Close() }

// Connect dials the targets that it is not connected with; those that have banned it refuse.
func (b *Besieger) Connect(ctx context.Context) {
	for _, t := range b.Targets {
		if b.host.Network().Connectedness(t.ID) != network.Connected {
			ctx, cancel := context.WithTimeout(network.WithForceDirectDial(ctx, "a siege"), writeTime)
			_ = b.host.Connect(ctx, t)
			cancel()
		}
	}
}

// Sign makes a statement in its site's name.
func (b *Besieger) Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed {
	return ledger.Sign(b.mesh, b.ID, kind, body, func(data []byte) []byte {
		sig, err := b.key.Sign(data)
		if err != nil {
			panic(err) // Ed25519 signs anything
		}
		return sig
	})
}

// Publish sends a message to all by gossip.
func (b *Besieger) Publish(ctx context.Context, m *round.Message) {
	data := m.Encode()
	if b.line.WaitN(ctx, len(data)*len(b.Targets)) == nil && b.topic.Publish(ctx, data) == nil {
		b.sent.Add(int64(len(data) * len(b.Targets)))
	}
}

// Say publishes a statement, as often as it likes.
func (b *Besieger) Say(ctx context.Context, s *ledger.Signed) {
	b.Publish(ctx, &round.Message{Attempt: rand.Uint64(), Statement: s})
}

// Send sends a message to one target; false: there is no way to it now.
func (b *Besieger) Send(ctx context.Context, to peer.ID, data []byte) bool {
	b.mu.Lock()
	s := b.streams[to]
	b.mu.Unlock()
	if s == nil {
		ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "a siege"), writeTime)
		defer cancel()
		var err error
		if s, err = b.host.NewStream(ctx, to, b.direct()); err != nil {
			return false
		}
		b.mu.Lock()
		b.streams[to] = s
		b.mu.Unlock()
	}
	if b.line.WaitN(ctx, len(data)) != nil {
		return false
	}
	_ = s.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(data))), data...)); err != nil {
		_ = s.Reset()
		b.mu.Lock()
		delete(b.streams, to)
		b.mu.Unlock()
		return false
	}
	b.sent.Add(int64(len(data)))
	return true
}
