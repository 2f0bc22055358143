package round

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/ledger"
)

// Message is what sites send each other. Exactly one of the contents is set.
type Message struct {
	// Attempt counts how often the sender has sent this: gossip's seen-cache swallows equal bytes.
	Attempt   uint64             `cbor:"attempt"`
	Statement *ledger.Signed     `cbor:"statement,omitempty"` // to all, or relayed to one site that lacks it
	Certified []ledger.Certified `cbor:"certified,omitempty"` // to one site: decided entries, ascending
	Head      *Head              `cbor:"head,omitempty"`      // to one site: where the sender stands
	Evidence  *Evidence          `cbor:"evidence,omitempty"`  // to all: proof of a double
}

// Head says where a site stands, so that its neighbour can send what it lacks. It carries no
// signature: the connection says whose it is, and nothing is believed because of it.
type Head struct {
	Height  uint64       `cbor:"height"` // newest decided
	Entry   block.CID    `cbor:"entry"`
	Now     Votes        `cbor:"now"`   // of the height after it, in the sender's view
	Past    []Votes      `cbor:"past"`  // of the newest decided heights, newest first, each in the view of its certificate
	Named   []byte       `cbor:"named"` // whom it can prove to lie: a bit for each roster position
	Runs    []RunHead    `cbor:"runs"`
	Changes []ChangeHead `cbor:"changes"`
	// What the sender runs, for people and for an opener that would not ask too much; nothing else depends on it.
	Weft     string `cbor:"weft,omitempty"`     // version
	Protocol uint64 `cbor:"protocol,omitempty"` // newest number that it knows
}

// Votes is what a site has seen in a view: for the proposal and each roster position's vote a mark, 0 if
// it lacks it. Two sites whose marks differ have been told different things by one author.
type Votes struct {
	View       uint64 `cbor:"view"`
	Proposal   uint64 `cbor:"proposal"`
	Prevotes   []byte `cbor:"prevotes"`
	Precommits []byte `cbor:"precommits"`
}

// RunHead is what a site knows of the current round of an open run.
type RunHead struct {
	Run      block.CID `cbor:"run"`
	Updates  []byte    `cbor:"updates"`  // whose updates it knows
	Consents []byte    `cbor:"consents"` // whose consent it knows
}

// ChangeHead is what a site knows of a change of the roster that is not decided.
type ChangeHead struct {
	Change    block.CID `cbor:"change"`
	Approvals []byte    `cbor:"approvals"` // whose approval it knows
	Join      int64     `cbor:"join"`      // height that the newest join it has names; -1: none
	// Serials of the newest withdrawals it knows, by roster position, 0 for none; those after the last are left out.
	Serials []uint64 `cbor:"serials,omitempty"`
}

// Evidence is two statements of one site for one place.
type Evidence struct {
	A ledger.Signed `cbor:"a"`
	B ledger.Signed `cbor:"b"`
}

// Encode returns the message's bytes.
func (m *Message) Encode() []byte { return block.Encode(m) }

// DecodeMessage reads a message and checks form and limits, signatures not. It passes over fields that this program does not
// know; a message of which it knows no content is ErrUnknown.
func DecodeMessage(data []byte) (*Message, error) {
	if len(data) > maxMessage {
		return nil, fmt.Errorf("message: %w: %d bytes, at most %d", ledger.ErrMalformed, len(data), maxMessage)
	}
	var m Message
	unknown, err := block.DecodeKnown(data, &m)
	if err != nil {
		return nil, fmt.Errorf("message: %w: %w", ledger.ErrMalformed, err)
	}
	contents, err := m.check()
	switch {
	case err != nil:
		return nil, err
	case contents == 0 && len(unknown) > 0:
		return nil, fmt.Errorf("message of %.20q: %w", unknown[0], ledger.ErrUnknown)
	case contents != 1:
		return nil, fmt.Errorf("message: %w: %d contents, want 1", ledger.ErrMalformed, contents)
	}
	return &m, nil
}

// check says whether the contents are within their limits, and how many there are.
func (m *Message) check() (contents int, err error) {
	if m.Statement != nil {
		contents++
		if _, err := m.Statement.Open(); err != nil {
			return contents, err
		}
	}
	if m.Evidence != nil {
		contents++
		for _, s := range []*ledger.Signed{&m.Evidence.A, &m.Evidence.B} {
			if _, err := s.Open(); err != nil {
				return contents, err
			}
		}
	}
	if m.Head != nil {
		contents++
		if err := m.Head.check(); err != nil {
			return contents, fmt.Errorf("head: %w: %w", ledger.ErrMalformed, err)
		}
	}
	if len(m.Certified) > 0 {
		contents++
		if len(m.Certified) > maxCertified {
			return contents, fmt.Errorf("certified: %w: %d entries, at most %d", ledger.ErrMalformed, len(m.Certified), maxCertified)
		}
	}
	return contents, nil
}

func (h *Head) check() error {
	switch {
	case len(h.Runs) > ledger.MaxRuns || len(h.Past) > maxPast:
		return fmt.Errorf("%d runs, %d past heights", len(h.Runs), len(h.Past))
	case len(h.Changes) > maxShown:
		return fmt.Errorf("%d changes of the roster", len(h.Changes))
	case h.Weft != "" && !ledger.ValidName(h.Weft):
		return fmt.Errorf("weft %.80q", h.Weft)
	}
	for _, c := range h.Changes {
		if len(c.Serials) > ledger.MaxSites {
			return fmt.Errorf("%d withdrawals of a change", len(c.Serials))
		}
	}
	return nil
}

// Verify checks what can be checked of a message with a roster alone: that its signatures hold
// (else it returns ErrSignature) and that their authors are sites (else ErrStranger, which a site that
// lags says of newcomers too). Who joins is no site yet. Gossip's validators call it, the machine does so again.
func (m *Message) Verify(mesh block.CID, r *ledger.Roster, verify ledger.Verifier) error {
	switch {
	case m.Statement != nil && m.Statement.Kind == ledger.KindJoin:
		return m.Statement.CheckSignature(mesh, m.Statement.From.ShortString(), verify)
	case m.Statement != nil:
		return m.Statement.Verify(mesh, r, verify)
	case m.Evidence != nil:
		if err := m.Evidence.A.Verify(mesh, r, verify); err != nil {
			return err
		}
		return m.Evidence.B.Verify(mesh, r, verify)
	}
	return nil
}
