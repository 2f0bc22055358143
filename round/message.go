package round

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/membership"
	"github.com/weft-mesh/weft/peerlog"
	"github.com/weft-mesh/weft/runs"
)

// Limits of messages.
const (
	maxMessage   = 1 << 20 // bytes of an encoded message
	maxCertified = 64      // certified entries in a message
)

// Message is what sites send each other. Exactly one of the contents is set.
type Message struct {
	// Attempt counts how often the sender has sent this: gossip's seen-cache swallows equal bytes.
	Attempt   uint64             `cbor:"attempt"`
	Statement *ledger.Signed     `cbor:"statement,omitempty"` // to all, or relayed to one site that lacks it
	Certified []ledger.Certified `cbor:"certified,omitempty"` // to one site: decided entries, ascending
	Head      *Head              `cbor:"head,omitempty"`      // to one site: where the sender stands
	Evidence  *peerlog.Evidence  `cbor:"evidence,omitempty"`  // to all: proof of a double
}

// Head says where a site stands, so that its neighbour can send what it lacks. It carries no
// signature: the connection says whose it is, and nothing is believed because of it.
type Head struct {
	Height  uint64                  `cbor:"height"` // newest decided
	Entry   block.CID               `cbor:"entry"`
	Now     consensus.Votes         `cbor:"now"`   // of the height after it, in the sender's view
	Past    []consensus.Votes       `cbor:"past"`  // of the newest decided heights, newest first, each in the view of its certificate
	Named   []byte                  `cbor:"named"` // whom it can prove to lie: a bit for each roster position
	Runs    []runs.RunHead          `cbor:"runs"`
	Changes []membership.ChangeHead `cbor:"changes"`
}

// Encode returns the message's bytes.
func (m *Message) Encode() []byte { return block.Encode(m) }

// DecodeMessage reads a message and checks form and limits, signatures not.
func DecodeMessage(data []byte) (*Message, error) {
	if len(data) > maxMessage {
		return nil, fmt.Errorf("message: %w: %d bytes, at most %d", ledger.ErrMalformed, len(data), maxMessage)
	}
	var m Message
	if err := block.Decode(data, &m); err != nil {
		return nil, fmt.Errorf("message: %w: %w", ledger.ErrMalformed, err)
	}
	return &m, m.check()
}

func (m *Message) check() error {
	contents := 0
	if m.Statement != nil {
		contents++
		if _, err := m.Statement.Open(); err != nil {
			return err
		}
	}
	if m.Evidence != nil {
		contents++
		for _, s := range []*ledger.Signed{&m.Evidence.A, &m.Evidence.B} {
			if _, err := s.Open(); err != nil {
				return err
			}
		}
	}
	if m.Head != nil {
		contents++
		if len(m.Head.Runs) > ledger.MaxRuns || len(m.Head.Past) > consensus.MaxPast {
			return fmt.Errorf("head: %w: %d runs, %d past heights", ledger.ErrMalformed, len(m.Head.Runs), len(m.Head.Past))
		}
		if len(m.Head.Changes) > membership.MaxShown {
			return fmt.Errorf("head: %w: %d changes of the roster", ledger.ErrMalformed, len(m.Head.Changes))
		}
		for _, c := range m.Head.Changes {
			if len(c.Serials) > ledger.MaxSites {
				return fmt.Errorf("head: %w: %d withdrawals of a change", ledger.ErrMalformed, len(c.Serials))
			}
		}
	}
	if len(m.Certified) > 0 {
		contents++
		if len(m.Certified) > maxCertified {
			return fmt.Errorf("certified: %w: %d entries, at most %d", ledger.ErrMalformed, len(m.Certified), maxCertified)
		}
	}
	if contents != 1 {
		return fmt.Errorf("message: %w: %d contents, want 1", ledger.ErrMalformed, contents)
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
