package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/zeebo/blake3"

	"github.com/weft-mesh/weft/gossip/conduct"
)

// gossipProtocols are the versions of gossipsub that are spoken; floodsub and 1.0 are not, for
// with them a peer could get around the rest.
var gossipProtocols = []protocol.ID{pubsub.GossipSubID_v13, pubsub.GossipSubID_v12, pubsub.GossipSubID_v11}

// joinTopic starts gossipsub and joins the mesh's topic as a relay: the handler sees messages as
// their validator, so there is no subscription whose queue could overflow.
func (m *Mesh) joinTopic() error {
	name := m.name("round")
	params := gossipParams(len(m.sites())-1 <= m.seeker.degree)
	filter := pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(name), 16)
	ps, err := pubsub.NewGossipSub(m.life.ctx, m.host,
		pubsub.WithGossipSubProtocols(gossipProtocols, pubsub.GossipSubDefaultFeatures),
		pubsub.WithGossipSubParams(params),
		pubsub.WithFloodPublish(true), // an author has few messages; the first hop must not depend on a relayer
		// Contents are signed by their authors; the envelope carries no name, number or signature.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithSeenMessagesTTL(seenFor),
		pubsub.WithMaxMessageSize(MaxMessage+pubsubFraming),
		pubsub.WithPeerOutboundQueueSize(pubsubOutgoing),
		// A visitor is told what it has to know directly, and nothing that goes through the topic meanwhile.
		pubsub.WithPeerFilter(func(p peer.ID, _ string) bool { return m.host.gate.admits(p) && m.host.gate.roster(p) }),
		pubsub.WithAppSpecificRpcInspector(m.inspect),
		pubsub.WithSubscriptionFilter(filter),
		// Handlers run on a fixed number of workers before a bounded queue. What the queue drops is not
		// yet marked as seen and is asked for again; what a full pool of goroutines drops would be lost.
		pubsub.WithDefaultValidator(m.validate, pubsub.WithValidatorInline(true)),
		pubsub.WithValidateWorkers(pubsubWorkers),
		pubsub.WithValidateQueueSize(pubsubQueue),
		pubsub.WithRawTracer(tracer{m}),
		pubsub.WithLogger(slog.New(loud{m.log.Handler()})),
		pubsub.WithRPCLogger(slog.New(loud{m.log.Handler()})),
	)
	if err != nil {
		return fmt.Errorf("start gossipsub: %w", err)
	}
	if m.topic, err = ps.Join(name); err != nil {
		return fmt.Errorf("join topic: %w", err)
	}
	events, err := m.topic.EventHandler()
	if err != nil {
		return fmt.Errorf("join topic: %w", err)
	}
	m.life.spawn(func() { m.watchTopic(events) })
	if _, err := m.topic.Relay(); err != nil {
		return fmt.Errorf("join topic: %w", err)
	}
	return nil
}

// gossipParams says how gossipsub relays. Where all sites are connected with all, an author reaches everyone
// by itself, and relayers are there for the ways that are broken: half as many as usual save a site of
// twenty half of its traffic.
func gossipParams(all bool) pubsub.GossipSubParams {
	params := pubsub.DefaultGossipSubParams()
	params.HeartbeatInterval = heartbeat
	params.SlowHeartbeatWarning = 1 // when one takes as long as the interval
	params.HistoryLength, params.HistoryGossip = historyLength, historyGossip
	if all {
		params.D, params.Dlo, params.Dhi, params.Dscore, params.Dout = 3, 2, 5, 2, 0
	}
	return params
}

// messageID makes equal bytes one message, whoever sent them.
func messageID(msg *pb.Message) string {
	d := blake3.Sum256(msg.GetData())
	return string(d[:])
}

// inspect drops whatever comes from a peer that left the roster while its connection closes, and what is too much of any.
func (m *Mesh) inspect(from peer.ID, rpc *pubsub.RPC) error {
	if !m.host.gate.admits(from) {
		return ErrStranger
	}
	list, bytes := rpc.GetPublish(), 0
	for _, msg := range list {
		bytes += len(msg.GetData())
	}
	if len(list) > 0 && !m.inflow.allow(from, len(list), bytes, len(m.sites()), time.Now()) {
		return ErrFull
	}
	return nil
}

func (m *Mesh) validate(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	if from == m.host.ID() {
		return pubsub.ValidationAccept
	}
	if len(msg.Data) == 0 || len(msg.Data) > MaxMessage {
		return pubsub.ValidationReject
	}
	switch m.handle(from, msg.Data) {
	case Accept:
		return pubsub.ValidationAccept
	case Reject:
		return pubsub.ValidationReject
	case Ignore:
	}
	return pubsub.ValidationIgnore
}

// Publish sends data, 1 to MaxMessage bytes, to every site of the mesh but this one. Each gets
// it once, however often equal bytes are published within two minutes; to say the same thing
// again, say it with other bytes. A nil error means that the message is on its way, not that it
// will arrive.
func (m *Mesh) Publish(ctx context.Context, data []byte) error {
	if len(data) == 0 || len(data) > MaxMessage {
		return fmt.Errorf("publish %d bytes: %w", len(data), ErrSize)
	}
	// Gossipsub keeps the slice for whoever asks for it again.
	err := m.topic.Publish(ctx, append([]byte(nil), data...))
	if m.life.ctx.Err() != nil {
		return ErrClosed
	}
	if invalid := (pubsub.ValidationError{}); errors.As(err, &invalid) {
		return nil // it has come from another site already, and was judged
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func (m *Mesh) watchTopic(events *pubsub.TopicEventHandler) {
	for {
		e, err := events.NextPeerEvent(m.life.ctx)
		if err != nil {
			return // closed
		}
		m.links.update(e.Peer, time.Now(), func(l *link) { l.joined = e.Type == pubsub.PeerJoin })
	}
}

// loud lets through what gossipsub warns of; the rest is its inner life. So is how much the connection manager
// thinks of each peer: it cannot keep up with bursts of messages, but sites are protected in any case.
type loud struct{ slog.Handler }

func (h loud) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "error bumping delivery tag" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h loud) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h loud) WithAttrs(a []slog.Attr) slog.Handler { return loud{h.Handler.WithAttrs(a)} }
func (h loud) WithGroup(name string) slog.Handler   { return loud{h.Handler.WithGroup(name)} }

// tracer learns from gossipsub which streams are open, which messages were rejected and what was dropped, and counts.
type tracer struct{ m *Mesh }

var _ pubsub.RawTracer = tracer{}

func (t tracer) OnNewOutboundStream(p peer.ID, _ protocol.ID) {
	t.m.links.update(p, time.Now(), func(l *link) { l.writable = true })
}

func (t tracer) OnClosedOutboundStream(p peer.ID) {
	t.m.links.update(p, time.Now(), func(l *link) { l.writable = false })
}

func (t tracer) RejectMessage(msg *pubsub.Message, reason string) {
	t.m.counters.message("rejected")
	switch reason {
	case pubsub.RejectValidationFailed,
		pubsub.RejectUnexpectedSignature,
		pubsub.RejectUnexpectedAuthInfo:
		t.m.blame(msg.ReceivedFrom, conduct.Message, "message rejected", nil)
	}
}

func (t tracer) DropRPC(rpc *pubsub.RPC, p peer.ID) {
	if n := len(rpc.GetPublish()); n > 0 {
		t.m.counters.message("dropped")
		t.m.conduct.Drop(p, n)
	}
}

func (t tracer) DeliverMessage(*pubsub.Message)       { t.m.counters.message("delivered") }
func (t tracer) DuplicateMessage(*pubsub.Message)     { t.m.counters.message("duplicate") }
func (t tracer) UndeliverableMessage(*pubsub.Message) { t.m.counters.message("undeliverable") }
func (t tracer) RecvRPC(rpc *pubsub.RPC)              { t.m.counters.rpc("received", rpc) }
func (t tracer) SendRPC(rpc *pubsub.RPC, _ peer.ID)   { t.m.counters.rpc("sent", rpc) }

// The rest is not of interest.

func (t tracer) Join(string)                                          {}
func (t tracer) Leave(string)                                         {}
func (t tracer) Graft(peer.ID, string)                                {}
func (t tracer) Prune(peer.ID, string)                                {}
func (t tracer) ValidateMessage(*pubsub.Message)                      {}
func (t tracer) ThrottlePeer(peer.ID)                                 {}
func (t tracer) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
