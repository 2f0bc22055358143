package round

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
	"github.com/weft-mesh/weft/trace"
)

// Work is what a machine asks of its driver. The driver does it in this order: make Save durable,
// then Send, then start Jobs; Trace may go anywhere. A driver that cannot save must stop.
type Work struct {
	Save  []Record
	Send  []Send
	Jobs  []runs.Job
	Trace []trace.Event
	Blame []Blame       // whoever sent what no correct site sends, as only the ledger could show
	Alarm time.Duration // when to Step next if nothing happens before; 0: never
	Halt  error         // a ledger.NewerError: the mesh goes on by what this program does not know, and the machine does no more
}

// Record is one thing that must survive a crash. Exactly one field is set. The driver appends
// records to a log and hands them to [Restore] in the same order.
type Record struct {
	Born      *Born             `cbor:"born,omitempty"`      // first record of a site's log
	Decided   *ledger.Certified `cbor:"decided,omitempty"`   // an entry of the ledger; also two blocks
	Statement *ledger.Signed    `cbor:"statement,omitempty"` // own vote, proposal, update, consent, open, stop, approve or join
	Lock      *consensus.Lock   `cbor:"lock,omitempty"`      // before the precommit that it stands behind
	Evidence  *peerlog.Evidence `cbor:"evidence,omitempty"`  // against a site
}

// Born says when a log began. A log that is begun again for a key that has voted before (the disk
// was lost) is marked, so that the key does not vote twice in a height.
type Born struct {
	Mesh block.CID `cbor:"mesh"`
	Site peer.ID   `cbor:"site"`
	Lost bool      `cbor:"lost"` // an earlier log of this key is gone, or a later state of this one
	// Until is the height whose decision ended the silence that a lost log asked for. Programs before protocol 4, which take two
	// updates for a lie, offer none for an opening before it.
	Until uint64 `cbor:"until,omitempty"`
}

// DecodeRecord reads a record of the log. One of a later version is ErrNewer: it may say what this site has promised, and a
// site that passed over it could break its word.
func DecodeRecord(data []byte) (Record, error) {
	var r Record
	unknown, err := block.DecodeKnown(data, &r)
	if err == nil && len(unknown) > 0 {
		err = fmt.Errorf("record with field %.20q: %w", unknown[0], ledger.ErrNewer)
	}
	return r, err
}

// Encode returns the record's bytes.
func (r Record) Encode() []byte { return block.Encode(r) }

// Send is a message to one site, or to all when To is empty.
type Send struct {
	To      peer.ID
	Message *Message
}

// Blame says that a peer has sent what no correct site sends.
type Blame struct {
	Peer peer.ID
	Why  error
}

// Event is something that happened to the site: one of this package, an answer to a job, or a wish of
// its operator about runs (both in package runs).
type Event interface{ IsEvent() }

// Received is a message that has arrived from a peer, which need not be its author.
type Received struct {
	From    peer.ID
	Message *Message
	Bytes   int // that it has come in; 0: not known
}

// Connected says that a site can be reached now.
type Connected struct{ Peer peer.ID }

// Disconnected says that a site cannot be reached until it is Connected again.
type Disconnected struct{ Peer peer.ID }

// Alarm says that the time asked for has come.
type Alarm struct{}

// Approve says that the site's operator approves of a change of the roster, which asks for it if no
// site has done so before.
type Approve struct{ Change *ledger.Change }

// TakeBack says that the site's operator no longer approves of a change of the roster; Approve gives the approval again.
type TakeBack struct{ Change *ledger.Change }

// IsEvent marks an event of the site.
func (Received) IsEvent() {}

// IsEvent marks an event of the site.
func (Connected) IsEvent() {}

// IsEvent marks an event of the site.
func (Disconnected) IsEvent() {}

// IsEvent marks an event of the site.
func (Alarm) IsEvent() {}

// IsEvent marks an event of the site.
func (Approve) IsEvent() {}

// IsEvent marks an event of the site.
func (TakeBack) IsEvent() {}
