package consensus

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Entry is something to be decided. Two entries with one CID are the same.
type Entry interface {
	CID() block.CID
	Data() []byte // its bytes, of which the CID is made; of codec dag-cbor
}

// Stance is how a site stands to an entry.
type Stance uint8

const (
	Lacks  Stance = iota // it misses something that voting needs
	Trusts               // it takes no part in what the entry is about, and leaves the judgement to a quorum
	Holds                // it holds all that voting needs, and does not agree with what the entry claims
	Agrees               // it holds all that voting needs, and agrees
)

// App gives entries their meaning. Validity, which is equal at every site, is in Decode; the rest is
// this site's own judgement.
type App interface {
	Decode(data []byte) (Entry, error) // an entry that may follow the head, or an error that says why not
	Wanted() []Entry                   // entries that this site would have decided now
	Stance(e Entry) Stance             // how this site stands to a valid entry
	Compare(a, b Entry) int            // below 0: a is proposed before b
	Outdoes(a, b Entry) bool           // b must not be decided while a quorum is ready for a
	Learned(e Entry)                   // a candidate's bytes are known now
	Said(from peer.ID, e Entry)        // another site is ready for an entry
}

// Out takes what an agreement has to say. The owner does it in the order of the calls, except that
// everything saved is durable before anything is sent.
type Out interface {
	Now() time.Duration
	Sign(kind ledger.Kind, body ledger.Body) *ledger.Signed
	Verify(s *ledger.Signed) error // signed by a site of the roster

	Save(s *ledger.Signed)
	SaveLock(l *Lock)
	// Publish sends a statement to all now, and again as long as it matters, at most most times; 0: without limit.
	// matters is told how often the statement was sent.
	Publish(s *ledger.Signed, most uint64, matters func(sends uint64) bool)
	// Contradiction takes two statements of one site for one place. It returns an error if no correct
	// site signs both.
	Contradiction(a, b *ledger.Signed) error
	Note(n Note)
}

// Note is a step of the agreement, for logs and tests.
type Note struct {
	Kind   NoteKind
	Height uint64
	View   uint64
	CID    block.CID // of the entry; undefined for a vote for nil
	Entry  Entry     // if the note is about one whose bytes are known
}

// NoteKind is what a [Note] tells.
type NoteKind uint8

const (
	HeightOpened NoteKind = iota
	ViewBegun
	SaidReady
	Proposed
	Prevoted
	Precommitted
)

// Timing is how long an agreement waits.
type Timing struct {
	Propose    time.Duration // least wait for a proposal or votes in a view; grows by half a view
	ProposeCap time.Duration // and no further than this
}

// viewTimeout returns how long a view's steps wait: the pace, half as long again each view, capped.
func (t Timing) viewTimeout(pace time.Duration, view uint64) time.Duration {
	for range min(view, 32) {
		pace += pace / 2
		if pace >= t.ProposeCap {
			return t.ProposeCap
		}
	}
	return pace
}

// never is a time that does not come.
const never = time.Duration(1<<63 - 1)
