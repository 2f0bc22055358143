package round

import (
	"fmt"

	"github.com/weft-mesh/weft/block"
	"github.com/weft-mesh/weft/consensus"
	"github.com/weft-mesh/weft/ledger"
	"github.com/weft-mesh/weft/round/membership"
	"github.com/weft-mesh/weft/round/peerlog"
	"github.com/weft-mesh/weft/round/runs"
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
	Said      *Said              `cbor:"said,omitempty"`      // to one site, which has restarted: what it has said itself
}

// Head says where a site stands, so that its neighbour can send what it lacks. It carries no
// signature: the connection says whose it is, and nothing is believed because of it.
type Head struct {
	Height    uint64                  `cbor:"height"` // newest decided
	Entry     block.CID               `cbor:"entry"`
	Now       consensus.Votes         `cbor:"now"`   // of the height after it, in the sender's view
	Past      []consensus.Votes       `cbor:"past"`  // of the newest decided heights, newest first, each in the view of its certificate
	Named     []byte                  `cbor:"named"` // whom it can prove to lie: a bit for each roster position
	Runs      []runs.RunHead          `cbor:"runs"`
	Changes   []membership.ChangeHead `cbor:"changes"`
	Restarted bool                    `cbor:"restarted,omitempty"` // the sender asks for what it has said itself, see [Said]
	Mute      bool                    `cbor:"mute,omitempty"`      // the sender does not vote for now; for people
	Asks      []uint64                `cbor:"asks,omitempty"`      // serials of the sites' lists of what they ask for, by roster position, 0 for none
	Asked     []runs.AskedHead        `cbor:"asked,omitempty"`     // runs that are asked for
	// What the sender runs, for people and for an opener that would not ask too much; nothing else depends on it.
	Weft     string `cbor:"weft,omitempty"`     // version
	Protocol uint64 `cbor:"protocol,omitempty"` // newest number that it knows
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
	if m.Said != nil {
		contents++
		if err := m.Said.check(); err != nil {
			return contents, err
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
	case len(h.Runs) > ledger.MaxRuns || len(h.Past) > consensus.MaxPast:
		return fmt.Errorf("%d runs, %d past heights", len(h.Runs), len(h.Past))
	case len(h.Changes) > membership.MaxShown:
		return fmt.Errorf("%d changes of the roster", len(h.Changes))
	case len(h.Asks) > ledger.MaxSites || len(h.Asked) > runs.MaxAskedShown:
		return fmt.Errorf("%d lists, %d runs that are asked for", len(h.Asks), len(h.Asked))
	case h.Weft != "" && !ledger.ValidName(h.Weft):
		return fmt.Errorf("weft %.80q", h.Weft)
	}
	for _, c := range h.Changes {
		if len(c.Serials) > ledger.MaxSites {
			return fmt.Errorf("%d withdrawals of a change", len(c.Serials))
		}
	}
	for _, a := range h.Asked {
		if len(a.Consents) > ledger.MaxSites {
			return fmt.Errorf("%d consents to a run", len(a.Consents))
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
