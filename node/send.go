package node

import (
	"context"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/round"
)

// sender takes messages from the loop, which never waits for it, and hands them to gossip in order.
// When too many wait the newest is dropped: whatever matters is said again.
type sender struct {
	log   *slog.Logger
	queue chan parcel
}

// parcel is an encoded message; empty to: to all.
type parcel struct {
	to   peer.ID
	data []byte
}

func newSender(log *slog.Logger) *sender {
	return &sender{log, make(chan parcel, queueSends)}
}

func (s *sender) send(m *round.Send) {
	p := parcel{m.To, m.Message.Encode()}
	if len(p.data) > gossip.MaxMessage {
		s.log.Error("a message is too large to be sent", "bytes", len(p.data))
		return
	}
	select {
	case s.queue <- p:
	default:
		s.log.Warn("too many messages wait to be sent; one is dropped")
	}
}

func (s *sender) run(ctx context.Context, t *gossip.Mesh) error {
	for {
		select {
		case p := <-s.queue:
			var err error
			if p.to == "" {
				err = t.Publish(ctx, p.data)
			} else {
				err = t.Send(ctx, p.to, p.data)
			}
			if err != nil && ctx.Err() == nil {
				s.log.Debug("message not sent", "to", p.to, "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}
