package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/gossip"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
	"github.com/weft-mesh/weft/round/intake"
	"github.com/weft-mesh/weft/trace"
)

// receiver takes messages from gossip.
type receiver struct {
	intake   *intake.Intake
	views    *views
	programs *programs
	events   *events
	box      *mailbox
}

func newReceiver(mesh block.CID, vs *views, v *verifier, p *programs, e *events, box *mailbox) *receiver {
	return &receiver{intake.New(mesh, v.verify), vs, p, e, box}
}

// handle judges a message on gossip's goroutines and queues it for the machine; see package intake. What this program does not
// know may be well: it is nothing for this site, and nobody is blamed for it.
func (r *receiver) handle(_ context.Context, from peer.ID, data []byte) gossip.Verdict {
	m, err := round.DecodeMessage(data)
	verdict := intake.Strike
	switch {
	case errors.Is(err, ledger.ErrUnknown):
		return gossip.Ignore
	case err == nil:
		verdict, err = r.intake.Judge(time.Now(), from, m, len(data), standing{r.views.now(), r.programs})
	}
	switch verdict {
	case intake.Strike:
		r.events.add(time.Now(), trace.Rejected{Subject: trace.Of(from), Why: err.Error()})
		return gossip.Reject
	case intake.Drop:
		return gossip.Ignore
	case intake.Keep, intake.Relay:
	}
	if !r.box.queue.bring(round.Received{From: from, Message: m, Bytes: len(data)}, len(data)) || verdict == intake.Keep {
		return gossip.Ignore // for want of room: what counts is said again
	}
	return gossip.Accept
}

// standing is what a message is judged by.
type standing struct {
	*view
	programs *programs
}

var _ intake.Standing = standing{}

func (s standing) Height() uint64         { return s.height }
func (s standing) Roster() *ledger.Roster { return s.roster }

// Member reports whether a key is a site's or was.
func (s standing) Member(id peer.ID) bool {
	_, known := s.names[id]
	return known
}

// Knows returns the newest protocol number that a peer says it knows.
func (s standing) Knows(id peer.ID) uint64 {
	said, _ := s.programs.of(id)
	return said.Protocol
}

// Over reports whether nothing that is said of a run's round, or with 0 of the run, can count any more.
func (s standing) Over(run block.CID, r uint64) bool {
	switch {
	case s.runs[run] == nil:
		return false
	case r > 0:
		return !s.active[run] || r+ledger.MaxStale < s.rounds[run]
	}
	return !s.active[run] && slices.Contains(s.over, run)
}
