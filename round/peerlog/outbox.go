package peerlog

import (
	"encoding/binary"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)

// Letter is an own message for all sites: a statement or evidence.
type Letter struct {
	Statement *ledger.Signed
	Evidence  *Evidence
	Attempt   uint64 // how often it has been sent, this time included
}

// standing is an own message that is sent again, ever more seldom, as long as it matters: gossip may
// lose it, and a site that restarts has forgotten it.
type standing struct {
	letter  Letter
	most    uint64                  // sends; 0: no limit
	matters func(sends uint64) bool // nil: until it was sent most times
	next    time.Duration           // when to send again
}

// Outbox sends own messages again until they no longer matter.
type Outbox struct {
	self           peer.ID
	resend, capped time.Duration // first wait until a message is sent again, which doubles, and the longest
	list           []*standing
	next           time.Duration // when the soonest of them is due
}

// NewOutbox returns an empty outbox of a site.
func NewOutbox(self peer.ID, resend, longest time.Duration) *Outbox {
	return &Outbox{self: self, resend: resend, capped: longest, next: never}
}

// Publish sends an own statement to all now, and again as long as it matters, at most most times; 0: without limit.
// matters is told how often the statement was sent so far.
func (o *Outbox) Publish(now time.Duration, s *ledger.Signed, most uint64, matters func(sends uint64) bool) {
	o.add(now, &standing{letter: Letter{Statement: s}, most: most, matters: matters})
}

// Tell sends evidence to all, most times.
func (o *Outbox) Tell(now time.Duration, e *Evidence, most uint64) {
	o.add(now, &standing{letter: Letter{Evidence: e}, most: most})
}

func (o *Outbox) add(now time.Duration, s *standing) {
	s.due(now)
	o.list = append(o.list, s)
	o.next = now
}

// Next returns when the next message is due.
func (o *Outbox) Next() time.Duration { return o.next }

// Len returns how many messages are sent again.
func (o *Outbox) Len() int { return len(o.list) }

// Due returns what is to be sent now, and forgets what no longer matters. An observer says nothing but
// that it wants to join, and a site does not say that.
func (o *Outbox) Due(now time.Duration, observes bool) []Letter {
	if o.next > now {
		return nil
	}
	o.next = never
	var due []Letter
	keep := o.list[:0]
	for _, s := range o.list {
		if !s.still(observes) {
			continue
		}
		keep = append(keep, s)
		if s.next <= now {
			due = append(due, s.send())
			s.due(now + o.backoff(now, s))
		}
		o.next = min(o.next, s.next)
	}
	clear(o.list[len(keep):])
	o.list = keep
	return due
}

// due has a message sent at a time.
func (s *standing) due(at time.Duration) { s.next = at }

// send counts one more sending of a message, and returns it.
func (s *standing) send() Letter {
	s.letter.Attempt++
	return s.letter
}

// still reports whether a message is worth sending.
func (s *standing) still(observes bool) bool {
	if s.most > 0 && s.letter.Attempt >= s.most {
		return false
	}
	if s.letter.Statement == nil {
		return true
	}
	if joins := s.letter.Statement.Kind == ledger.KindJoin; joins != observes {
		return false
	}
	return s.matters(s.letter.Attempt)
}

// backoff doubles from Resend to ResendCap, plus up to a half of jitter drawn from the message and
// the site, so that sites that lost a link together do not all speak at once when it is back.
func (o *Outbox) backoff(now time.Duration, s *standing) time.Duration {
	wait := o.resend << min(s.letter.Attempt-1, 10)
	wait = min(wait, o.capped)
	return wait + time.Duration(o.chance(now, s)*float64(wait)/2)
}

// chance is a number in [0, 1) that looks random but follows from the site, the message and the attempt.
func (o *Outbox) chance(now time.Duration, s *standing) float64 {
	b := []byte(o.self)
	b = binary.BigEndian.AppendUint64(b, s.letter.Attempt)
	b = binary.BigEndian.AppendUint64(b, uint64(now))
	if s.letter.Statement != nil {
		b = append(b, s.letter.Statement.Sig...)
	}
	d := block.Sum(block.Raw, b).Digest()
	return float64(binary.BigEndian.Uint32(d[:4])) / (1 << 32)
}
