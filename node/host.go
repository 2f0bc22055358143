package node

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/node/jobs"
	"github.com/weft-mesh/weft/round"
)

// jobHost is the node as its jobs see it.
type jobHost struct {
	self  peer.ID
	box   *mailbox
	views *views
	reach *reach
	bad   chan<- error
}

var _ jobs.Host = (*jobHost)(nil)

func (h *jobHost) Deliver(ctx context.Context, ev round.Event) bool { return h.box.deliver(ctx, ev) }

func (h *jobHost) Seen() jobs.Seen { return h.views.now() }

func (h *jobHost) Providers(ctx context.Context, first peer.ID) <-chan peer.ID {
	return h.reach.providers(ctx, first, h.self)
}

func (h *jobHost) WentBad(ctx context.Context, err error) {
	select {
	case h.bad <- err:
	case <-h.box.done:
	case <-ctx.Done():
	}
}
