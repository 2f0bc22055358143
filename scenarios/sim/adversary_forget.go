package sim

import (
	"time"

	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round"
)

// Forgetful restarts after a vote, with a log from which the votes and locks of the open height are
// gone and which does not say so, and votes again: for a while it hears no proposal, so that it votes
// otherwise. It attacks the claim that nobody signs twice for one place and remains unnamed.
type Forgetful struct {
	ballot        // what it has voted, in all its lives
	height uint64 // at which it has forgotten
	deaf   bool   // it hears no proposals
}

// Name returns the name of its kind.
func (a *Forgetful) Name() string { return "forgetful" }

// Send restarts the site after a vote, once a height, and hears again when it has voted otherwise.
func (a *Forgetful) Send(l *Liar, s round.Send) {
	l.Send(s)
	st, body := l.own(s)
	v, ok := body.(*ledger.Vote)
	if !ok || v.Height != l.next() {
		return
	}
	switch {
	case !a.takes(l, st, v):
		l.Did("voted again, and otherwise")
		a.deaf = false
	case a.height != v.Height && v.Entry.Defined() && l.rng.IntN(2) == 0:
		a.height = v.Height
		l.After(time.Millisecond, func() {
			a.deaf = true
			l.Restart(time.Duration(l.rng.Int64N(int64(time.Second))))
		})
	}
}

// Wake forgets what was said at the height being decided.
func (a *Forgetful) Wake(l *Liar, log []round.Record) []round.Record {
	if !a.deaf {
		return log
	}
	decided := uint64(0)
	for _, r := range log {
		if r.Decided != nil {
			decided++
		}
	}
	var kept []round.Record
	for _, r := range log {
		if r.Lock != nil && r.Lock.Height > decided || r.Statement != nil && placed(r.Statement) > decided {
			l.Did("forgot a vote or a lock")
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// placed returns the height of a vote or proposal; 0 for other statements.
func placed(s *ledger.Signed) uint64 {
	switch b := bodyOf(s).(type) {
	case *consensus.Proposal:
		return b.Height
	case *ledger.Vote:
		return b.Height
	}
	return 0
}

// Boot ends the deafness after a while, if the height has passed meanwhile.
func (a *Forgetful) Boot(l *Liar) { l.After(10*time.Second, func() { a.deaf = false }) }

// Hear keeps proposals from the machine after the restart, and what the others tell it of what it has said.
func (a *Forgetful) Hear(l *Liar, ev round.Event) round.Event {
	if r, ok := ev.(round.Received); ok {
		switch s := r.Message.Statement; {
		case s != nil && s.From == l.Self():
			return nil
		case r.Message.Said != nil:
			return round.Received{From: r.From, Message: &round.Message{Said: &round.Said{Height: r.Message.Said.Height, List: []ledger.Signed{}}}}
		}
	}
	if _, body := l.heard(ev); a.deaf {
		if _, ok := body.(*consensus.Proposal); ok {
			l.Did("did not listen to a proposal")
			return nil
		}
	}
	return ev
}
