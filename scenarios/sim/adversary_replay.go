package sim

import (
	"time"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

const (
	replayKept  = 400 // messages that a replayer remembers, of all it has heard
	replayEvery = 500 * time.Millisecond
	replayBurst = 6
)

// Replayer says again, with new attempt numbers, what it has heard at any time: votes of old heights and
// views, updates and consents of old rounds and runs, old heads, certificates and evidence. It attacks
// what honest sites make of messages that were true once.
type Replayer struct {
	heard int
	kept  []*round.Message
}

// Name returns the name of its kind.
func (a *Replayer) Name() string { return "replayer" }

// Hear keeps a sample of everything.
func (a *Replayer) Hear(l *Liar, ev round.Event) round.Event {
	r, ok := ev.(round.Received)
	if !ok {
		return ev
	}
	a.heard++
	if len(a.kept) < replayKept {
		a.kept = append(a.kept, r.Message)
	} else if i := l.rng.IntN(a.heard); i < replayKept {
		a.kept[i] = r.Message
	}
	return ev
}

// Boot begins to replay.
func (a *Replayer) Boot(l *Liar) { l.Every(replayEvery, func() { a.replay(l) }) }

func (a *Replayer) replay(l *Liar) {
	for range min(replayBurst, len(a.kept)) {
		m := *a.kept[l.rng.IntN(len(a.kept))]
		m.Attempt = 1 + l.rng.Uint64N(1<<32)
		s := round.Send{Message: &m}
		if others := l.Others(); m.Statement == nil || l.rng.IntN(2) == 0 {
			s.To = others[l.rng.IntN(len(others))]
		}
		l.Did("replayed a message")
		if old := m.Statement; old != nil && a.old(l, old) {
			l.Did("replayed a message of an old height")
		}
		l.Send(s)
	}
}

// old reports whether a statement is of a height that has passed.
func (a *Replayer) old(l *Liar, s *ledger.Signed) bool {
	switch b := bodyOf(s).(type) {
	case *consensus.Ready:
		return b.Height < l.next()
	case *consensus.Proposal:
		return b.Height < l.next()
	case *ledger.Vote:
		return b.Height < l.next()
	}
	return false
}
