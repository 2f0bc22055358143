package ledger

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/weft-mesh/weft/block"
)

// Entry is one decision of the mesh. Exactly one of the bodies is set. It names no proposer and
// no time: sites that mean the same decision form the same bytes.
type Entry struct {
	Mesh   block.CID `cbor:"mesh" json:"mesh"`
	Height uint64    `cbor:"height" json:"height"` // position, from 1
	Parent block.CID `cbor:"parent" json:"parent"` // the entry before; the genesis at height 1
	Open   *Open     `cbor:"open,omitempty" json:"open,omitempty"`
	Close  *Close    `cbor:"close,omitempty" json:"close,omitempty"`
	Seal   *Seal     `cbor:"seal,omitempty" json:"seal,omitempty"`
	Void   *Void     `cbor:"void,omitempty" json:"void,omitempty"`
	Commit *Commit   `cbor:"commit,omitempty" json:"commit,omitempty"`
	Roster *Changed  `cbor:"roster,omitempty" json:"roster,omitempty"`

	block block.Block
}

// Open opens a run.
type Open struct {
	Spec Signed `cbor:"spec" json:"spec"` // kind "open", body RunSpec, by RunSpec.By
}

// Close ends a run early.
type Close struct {
	Run   block.CID `cbor:"run" json:"run"`
	Stops []Signed  `cbor:"stops" json:"stops"` // kind "stop": the opener's, or those of f+1 sites; ascending
}

// Seal fixes which updates go into a round, in which order and with which weights.
type Seal struct {
	Run     block.CID      `cbor:"run" json:"run"`
	Round   uint64         `cbor:"round" json:"round"`
	Opened  uint64         `cbor:"opened" json:"opened"` // height of the entry that opened the round
	Number  uint64         `cbor:"number" json:"number"` // seals of this opening before it
	Ground  *Ground        `cbor:"ground,omitempty" json:"ground,omitempty"`
	Updates []SealedUpdate `cbor:"updates" json:"updates"` // ascending by site
}

// SealedUpdate is an update with the weight it has in the average.
type SealedUpdate struct {
	Update Signed `cbor:"update" json:"update"` // kind "update"
	Weight uint64 `cbor:"weight" json:"weight"`
}

// Ground says why a seal replaces the one before it or voids the round.
type Ground struct {
	Kind    GroundKind `cbor:"kind" json:"kind"`
	Dropped []peer.ID  `cbor:"dropped" json:"dropped"` // whose updates; ascending
	Shard   block.CID  `cbor:"shard" json:"shard"`     // invalid: a shard that every voter checks
}

// GroundKind is unavailable or invalid.
type GroundKind string

const (
	Unavailable GroundKind = "unavailable" // nobody can fetch it
	Invalid     GroundKind = "invalid"     // it cannot be aggregated
)

// Void gives a round up, to be opened again on the same base.
type Void struct {
	Run    block.CID `cbor:"run" json:"run"`
	Round  uint64    `cbor:"round" json:"round"`
	Seal   block.CID `cbor:"seal" json:"seal"` // the round's latest
	Ground Ground    `cbor:"ground" json:"ground"`
}

// Commit fixes the model that came out of a round.
type Commit struct {
	Run   block.CID `cbor:"run" json:"run"`
	Round uint64    `cbor:"round" json:"round"`
	Seal  block.CID `cbor:"seal" json:"seal"`   // the round's latest
	Model block.CID `cbor:"model" json:"model"` // manifest of the new global model
	State block.CID `cbor:"state" json:"state"` // of the outer optimizer; undefined where the rule has none
}

// DecodeEntry reads an entry and checks its form.
func DecodeEntry(data []byte) (*Entry, error) {
	if len(data) > MaxEntry {
		return nil, fmt.Errorf("entry: %w: %d bytes, at most %d", ErrMalformed, len(data), MaxEntry)
	}
	var e Entry
	if err := block.Decode(data, &e); err != nil {
		return nil, fmt.Errorf("entry: %w: %w", ErrMalformed, err)
	}
	bodies := 0
	for _, set := range []bool{e.Open != nil, e.Close != nil, e.Seal != nil, e.Void != nil, e.Commit != nil, e.Roster != nil} {
		if set {
			bodies++
		}
	}
	if bodies != 1 {
		return nil, fmt.Errorf("entry: %w: %d bodies, want 1", ErrMalformed, bodies)
	}
	e.block = block.New(block.DagCBOR, data)
	return &e, nil
}

// Block returns the entry's bytes and CID.
func (e *Entry) Block() block.Block {
	if !e.block.CID.Defined() {
		e.block = block.Of(e)
	}
	return e.block
}

// CID returns the entry's CID.
func (e *Entry) CID() block.CID { return e.Block().CID }

// Kind returns the entry's kind in the glossary's words.
func (e *Entry) Kind() string {
	switch {
	case e.Open != nil:
		return "open"
	case e.Close != nil:
		return "close"
	case e.Seal != nil:
		return "seal"
	case e.Void != nil:
		return "void"
	case e.Commit != nil:
		return "commit"
	case e.Roster != nil:
		return "roster"
	}
	return "unknown"
}

// Run returns the CID of the run that the entry is about; undefined for one that is about no run.
func (e *Entry) Run() block.CID {
	switch {
	case e.Open != nil:
		return block.Sum(block.DagCBOR, e.Open.Spec.Body)
	case e.Close != nil:
		return e.Close.Run
	case e.Seal != nil:
		return e.Seal.Run
	case e.Void != nil:
		return e.Void.Run
	case e.Commit != nil:
		return e.Commit.Run
	}
	return block.CID{}
}

// String says what the entry decides, for transcripts and the terminal.
func (e *Entry) String() string {
	switch {
	case e.Open != nil:
		return "open"
	case e.Close != nil:
		return "close"
	case e.Seal != nil:
		return fmt.Sprintf("seal %d.%d (%d updates)", e.Seal.Round, e.Seal.Number, len(e.Seal.Updates))
	case e.Void != nil:
		return fmt.Sprintf("void %d", e.Void.Round)
	case e.Commit != nil:
		return fmt.Sprintf("commit %d", e.Commit.Round)
	case e.Roster != nil:
		return e.Roster.Change.String()
	}
	return "unknown"
}
