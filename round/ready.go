package round

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Work is what a machine asks of its driver. The driver does it in this order: make Save durable,
// then Send, then start Jobs; Trace may go anywhere. A driver that cannot save must stop.
type Work struct {
	Save  []Record
	Send  []Send
	Jobs  []Job
	Trace []Trace
	Alarm time.Duration // when to Step next if nothing happens before; 0: never
	Halt  error         // a ledger.NewerError: the mesh goes on by what this program does not know, and the machine does no more
}

// Record is one thing that must survive a crash. Exactly one field is set. The driver appends
// records to a log and hands them to [Restore] in the same order.
type Record struct {
	Born      *Born             `cbor:"born,omitempty"`      // first record of a site's log
	Decided   *ledger.Certified `cbor:"decided,omitempty"`   // an entry of the ledger; also two blocks
	Statement *ledger.Signed    `cbor:"statement,omitempty"` // own vote, proposal, update, consent, open, stop, approve or join
	Lock      *Lock             `cbor:"lock,omitempty"`      // before the precommit that it stands behind
	Evidence  *Evidence         `cbor:"evidence,omitempty"`  // against a site
}

// Born says when a log began. A log that is begun again for a key that has voted before (the disk
// was lost) is marked, so that the key does not vote twice in a height.
type Born struct {
	Mesh block.CID `cbor:"mesh"`
	Site peer.ID   `cbor:"site"`
	Lost bool      `cbor:"lost"` // an earlier log of this key is gone
	// Until is the height whose decision ended the silence that a lost log asked for; the site offers
	// no update for an opening before it.
	Until uint64 `cbor:"until,omitempty"`
}

// Lock is the entry that a site has precommitted, with the prevotes that allowed it.
type Lock struct {
	Height uint64          `cbor:"height"`
	View   uint64          `cbor:"view"`
	Entry  []byte          `cbor:"entry"`
	Polka  []ledger.Signed `cbor:"polka"`
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

// Job is work that takes time: the driver starts it and reports with an [Event].
type Job interface{ job() }

// Consider asks the site whether it takes part in a run; answer Considered, at once or when its
// operator has decided.
type Consider struct {
	Run  block.CID
	Spec *ledger.RunSpec
}

// Train asks for training from a base; answer Trained or TrainFailed. It replaces a training of
// the same run that is under way.
type Train struct {
	Run     block.CID
	Spec    *ledger.RunSpec
	Round   uint64
	Opened  uint64
	Attempt uint64
	Base    block.CID // of the round; held
	From    block.CID // own update to train on from, held; undefined in the first attempt
}

// StopTrain ends a run's training, which needs no answer.
type StopTrain struct{ Run block.CID }

// Fetch asks for an artifact to be held in full: from Owner if set, or from any site that has it.
// Answer Fetched. The driver tries until it succeeds, finds it invalid, or Forget ends it.
type Fetch struct {
	Run      block.CID
	Manifest block.CID
	Layout   block.CID // another layout is refused
	Owner    peer.ID   // whose update; empty for a model, which every site may have
}

// Forget says that an artifact is no longer needed: end its fetch, delete it if it is an update.
type Forget struct {
	Run      block.CID
	Manifest block.CID
	Update   bool // false: a model, kept by the driver's policy
}

// Reduce asks for the new model of a seal, all of whose inputs are held. Answer Reduced.
type Reduce struct {
	Run    block.CID
	Round  uint64
	Seal   block.CID
	Base   block.CID
	Inputs []ledger.Input // in seal order
}

func (Consider) job()  {}
func (Train) job()     {}
func (StopTrain) job() {}
func (Fetch) job()     {}
func (Forget) job()    {}
func (Reduce) job()    {}

// Event is something that happened to the site.
type Event interface{ event() }

// Received is a message that has arrived from a peer, which need not be its author.
type Received struct {
	From    peer.ID
	Message *Message
}

// Connected says that a site can be reached now.
type Connected struct{ Peer peer.ID }

// Disconnected says that a site cannot be reached until it is Connected again.
type Disconnected struct{ Peer peer.ID }

// Alarm says that the time asked for has come.
type Alarm struct{}

// Considered answers Consider; it may change an earlier answer.
type Considered struct {
	Run    block.CID
	Accept bool
}

// Trained answers Train: the update is durable under its manifest.
type Trained struct {
	Run      block.CID
	Round    uint64
	Opened   uint64
	Attempt  uint64
	Manifest block.CID
	Samples  uint64
	Metrics  map[string]float64
}

// TrainFailed answers Train. The machine asks again after a while.
type TrainFailed struct {
	Run    block.CID
	Round  uint64
	Opened uint64
	Err    string
}

// Fetched answers Fetch: the artifact is held, or invalid for good (another layout, not finite).
type Fetched struct {
	Manifest block.CID
	Layout   block.CID // as in Fetch
	Invalid  string    // why, or empty
}

// Lost says that an artifact is not held any more: the driver's policy has removed it, or its disk
// has. The machine has it fetched again if it still needs it.
type Lost struct{ Manifest block.CID }

// Reduced answers Reduce: the model is durable under its manifest, or an input cannot be aggregated.
type Reduced struct {
	Seal  block.CID
	Model block.CID
	Bad   *BadInput
}

// BadInput names what cannot be aggregated.
type BadInput struct {
	Site  peer.ID
	Shard block.CID
	Err   string
}

// OpenRun asks the mesh for a run. Its base must be held.
type OpenRun struct{ Spec *ledger.RunSpec }

// StopRun asks the mesh to end a run.
type StopRun struct {
	Run    block.CID
	Reason string
}

// Approve says that the site's operator approves of a change of the roster, which asks for it if no
// site has done so before.
type Approve struct{ Change *ledger.Change }

// TakeBack says that the site's operator no longer approves of a change of the roster; Approve gives the approval again.
type TakeBack struct{ Change *ledger.Change }

func (Received) event()     {}
func (Connected) event()    {}
func (Disconnected) event() {}
func (Alarm) event()        {}
func (Considered) event()   {}
func (Trained) event()      {}
func (TrainFailed) event()  {}
func (Fetched) event()      {}
func (Lost) event()         {}
func (Reduced) event()      {}
func (OpenRun) event()      {}
func (StopRun) event()      {}
func (Approve) event()      {}
func (TakeBack) event()     {}

// Trace is one step of a site's protocol, for logs, tests, the terminal and the dashboard.
type Trace struct {
	Event  string        `json:"event"`
	Height uint64        `json:"height,omitempty"`
	View   uint64        `json:"view,omitempty"`
	Run    block.CID     `json:"run,omitzero"`
	Round  uint64        `json:"round,omitempty"`
	Entry  block.CID     `json:"entry,omitzero"`
	Kind   string        `json:"kind,omitempty"`
	Site   peer.ID       `json:"site,omitempty"`
	Sites  []peer.ID     `json:"sites,omitempty"`
	Model  block.CID     `json:"model,omitzero"`
	Took   time.Duration `json:"took,omitempty"`
	Text   string        `json:"text,omitempty"`
}
