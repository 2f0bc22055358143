package node

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/trace"
)

// receiver takes messages from gossip.
type receiver struct {
	mesh     block.CID
	views    *views
	verifier *verifier
	events   *events
	box      *mailbox
}

// handle judges a message on gossip's goroutines and queues it for the machine. What no correct site
// passes on is rejected: malformed, or with a bad signature. What comes late, or of a stranger, who may have joined where
// this site has not got to yet, is good for the machine, which answers it, but for nobody else. Heads and certified entries are meant for this
// site alone, and a head is believed to be of whoever sent it, so they are never relayed. What this program does not know may
// be well: it is nothing for this site, and nobody is blamed for it.
func (r *receiver) handle(ctx context.Context, from peer.ID, data []byte) gossip.Verdict {
	m, err := round.DecodeMessage(data)
	if err == nil {
		err = m.Verify(r.mesh, r.views.now().roster, r.verifier.verify)
	}
	if errors.Is(err, ledger.ErrUnknown) {
		return gossip.Ignore
	}
	stranger := errors.Is(err, ledger.ErrStranger)
	if err != nil && !stranger {
		r.events.add(time.Now(), trace.Rejected{Subject: trace.Of(from), Why: err.Error()})
		return gossip.Reject
	}
	verdict := gossip.Accept
	if m.Head != nil || len(m.Certified) > 0 || stranger || r.late(m.Statement) {
		verdict = gossip.Ignore
	}
	q := queued{round.Received{From: from, Message: m}, int64(len(data))}
	if !r.box.room.TryAcquire(q.bytes) {
		return gossip.Ignore // somebody floods this site; what counts is said again
	}
	if !r.box.enqueue(ctx, q) {
		r.box.room.Release(q.bytes)
		return gossip.Ignore
	}
	return verdict
}

// late reports whether a statement is of a height that has been decided here.
func (r *receiver) late(s *ledger.Signed) bool {
	if s == nil {
		return false
	}
	body, err := s.Open()
	if err != nil {
		return false
	}
	decided := r.views.now().height
	switch b := body.(type) {
	case *consensus.Ready:
		return b.Height <= decided
	case *consensus.Proposal:
		return b.Height <= decided
	case *ledger.Vote:
		return b.Height <= decided
	}
	return false
}
